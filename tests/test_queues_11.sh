#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Requests that nobody polls for leave some to others with a scheduler, too, and once it is gone"

# read_polled: reads that are polled for, many at a time.
read_polled()
{
	exec fio --name="$TID" --filename="$DEV" --rw=randread --bs=4k --size=1m --direct=1 --ioengine=io_uring \
		--hipri=1 --thread --clocksource=clock_gettime --iodepth=64 --iodepth_batch_submit=16 \
		--time_based --runtime=600 >"$TMP/fio.log" 2>&1
}

need fio
nullb looppoll size=16 irqmode=2 completion_nsec=100000
[[ $(<"/sys/block/${NULLB#/dev/}/queue/io_poll") = 1 ]] || skip "null_blk cannot be polled"
# On a slow kernel what nobody polls for takes longer than its time-out.
echo 600000 >"/sys/block/${NULLB#/dev/}/queue/io_timeout"
fresh_dev
set_queues 1 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
settle
grep -q mq-deadline "$SYS/queue/scheduler" || modprobe -q mq-deadline || true
grep -q mq-deadline "$SYS/queue/scheduler" || skip "no mq-deadline"
# So few tags stay, whatever number of requests a scheduler brings.
echo 4 >"$SYS/queue/nr_requests"
for scheduler in mq-deadline none; do
	echo $scheduler >"$SYS/queue/scheduler"
	background read_polled
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
