#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="poll_queues: writes that have to wait for their zone on the disk below are not polled for there"

need fio
need_unload
unload_loop
load_loop poll_queues=2 nr_hw_queues=1
nullb looppoll size=64 zoned=1 zone_size=16 memory_backed=0
[[ $(<"/sys/block/${NULLB#/dev/}/queue/io_poll") = 1 ]] || skip "null_blk cannot be polled"
attach "$NULLB" flags=$DIRECT_IO
limit io_poll 1
settle
fio --name="$TID" --filename="$DEV" --rw=write --bs=64k --size=16m --direct=1 --ioengine=io_uring --hipri=1 \
	--iodepth=16 --iodepth_batch_submit=1 --clocksource=clock_gettime >"$TMP/fio.log" 2>&1 ||
	fail "$(<"$TMP/fio.log")"
detach
