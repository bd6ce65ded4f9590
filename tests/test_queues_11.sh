#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A task that polls does not wait for a tag below that only it can free; with a scheduler, too, some requests are left to others"

# read_polled: many reads that are polled for, one at a time into the ring.
read_polled()
{
	timeout $((30 * PATIENCE)) fio --name="$TID" --filename="$DEV" --rw=randread --bs=4k --size=1m --direct=1 \
		--ioengine=io_uring --hipri=1 --thread --clocksource=clock_gettime --number_ios=2000 \
		--iodepth=64 --iodepth_batch_submit=1 >"$TMP/fio.log" 2>&1 || fail "$(<"$TMP/fio.log")"
}

need fio
# As many requests as may be polled for have all the tags, which queues that are polled share with the others.
nullb looppoll size=16 irqmode=2 completion_nsec=100000 shared_tag_bitmap=1 hw_queue_depth=12
[[ $(<"/sys/block/${NULLB#/dev/}/queue/io_poll") = 1 ]] || skip "null_blk cannot be polled"
fresh_dev
set_queues 1 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
hw_queues 1 1
settle
echo 16 >"$SYS/queue/nr_requests"
read_polled
detach

# The tags stay few when there is a scheduler, and when it is gone.
nullb looppoll2 size=16 irqmode=2 completion_nsec=100000
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
settle
grep -q mq-deadline "$SYS/queue/scheduler" || modprobe -q mq-deadline || true
grep -q mq-deadline "$SYS/queue/scheduler" || skip "no mq-deadline"
echo 4 >"$SYS/queue/nr_requests"
for scheduler in mq-deadline none; do
	echo $scheduler >"$SYS/queue/scheduler"
	background fio --name="$TID" --filename="$DEV" --rw=randread --bs=4k --size=1m --direct=1 --ioengine=io_uring \
		--hipri=1 --thread --clocksource=clock_gettime --iodepth=64 --iodepth_batch_submit=16 \
		--time_based --runtime=600 --output="$TMP/fio.log"
	reader=${JOBS[-1]}
	for n in 1 2 3 4 5; do
		poll 10 eval '! inflight 0 0' || fail "nothing is read: $(<"$TMP/fio.log")"
		sleep 0.2
		kill -STOP "$reader"
		background loop_io -d "$DEV" fill "$n" 0 64K , check "$n" 0 64K , fsync
		poll 10 ended "${JOBS[-1]}" || n=hangs
		kill -CONT "$reader"
		wait "${JOBS[-1]}" || fail "loop_io"
		[[ $n != hangs ]] || fail "with $scheduler requests wait for those that nobody polls for"
	done
	kill "$reader"
	wait "$reader" || true
	poll 20 inflight 0 0 || fail "reads hang"
done
detach
