#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Queues for polled I/O of one device: there polled reads are polled for, on others they are refused; requests that nobody polls for leave some to others"

# polled [OPTION...]: reads that are polled for.
polled()
{
	(exec_polled "$@")
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

patient_poll_disk looppoll2
set_queues 1 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
settle
for requests in 8 4; do
	echo $requests >"$SYS/queue/nr_requests"
	leaves_some "$requests requests"
done
detach
