#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Queues for polled I/O of one device: there polled reads are polled for, on others they are refused; requests that nobody polls for leave some to others"

# polled [OPTION...]: reads that are polled for.
polled()
{
	(exec_polled "$@")
}

exec_polled()
{
	exec fio --name="$TID" --filename="$DEV" --rw=randread --bs=4k --size=1m --direct=1 --ioengine=io_uring \
		--hipri=1 --thread --clocksource=clock_gettime "$@" >"$TMP/fio.log" 2>&1
}

need fio
# Without somebody who polls, each read takes so many milliseconds.
nullb looppoll size=16 irqmode=2 completion_nsec=$((200000000 * PATIENCE))
[[ $(<"/sys/block/${NULLB#/dev/}/queue/io_poll") = 1 ]] || skip "null_blk cannot be polled"
fresh_dev
set_queues 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
hw_queues 1
fails polled --number_ios=8
detach

set_queues 2 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
hw_queues 2 1
settle
SECONDS=0
polled --number_ios=100 || fail "$(<"$TMP/fio.log")"
((SECONDS < 15 * PATIENCE)) || fail "100 reads took $SECONDS s"
io -d "$DEV" fill 1 0 16K , check 1 0 16K , fsync
detach
set_queues 2
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
hw_queues 2
fails polled --number_ios=8
detach

# Somebody has many under way, and stops polling for them.
nullb looppoll2 size=16 irqmode=2 completion_nsec=100000
# On a slow kernel what nobody polls for takes longer than its time-out.
echo 600000 >"/sys/block/${NULLB#/dev/}/queue/io_timeout"
set_queues 1 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
settle
for requests in 8 4; do
	echo $requests >"$SYS/queue/nr_requests"
	background exec_polled --iodepth=64 --iodepth_batch_submit=16 --time_based --runtime=600
	reader=${JOBS[-1]}
	for n in 1 2 3 4 5; do
		poll 10 eval '! inflight 0 0' || fail "nothing is read: $(<"$TMP/fio.log")"
		sleep 0.2
		kill -STOP "$reader"
		background loop_io -d "$DEV" fill "$n" 0 64K , check "$n" 0 64K , fsync
		# It could not end while the other one is stopped.
		poll 10 ended "${JOBS[-1]}" || n=hangs
		kill -CONT "$reader"
		wait "${JOBS[-1]}" || fail "loop_io"
		[[ $n != hangs ]] || fail "requests wait for those that nobody polls for"
	done
	kill "$reader"
	wait "$reader" || true
	poll 20 inflight 0 0 || fail "reads hang"
done
detach
