#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="io_uring and libaio, deep queues and batches, direct on both levels"

img 32M
attach "$IMG" flags=$DIRECT_IO
fio_verify "$DEV" --direct=1 --iodepth=64 --iodepth_batch_submit=16 \
	--iodepth_batch_complete_min=8 --bs=4k --size=4m
if [[ $(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null) == 0 ]]; then
	fio_verify "$DEV" --ioengine=io_uring --direct=1 --iodepth=64 --size=8m
	fio_verify "$DEV" --ioengine=io_uring --direct=1 --hipri=0 \
		--fixedbufs --registerfiles --numjobs=2 --group_reporting \
		--size=4m --offset_increment=4m
fi
# Large sequential requests, merged from several.
fio_verify "$DEV" --direct=0 --rw=write --bs=1m --size=16m --end_fsync=1
fio_verify "$DEV" --direct=1 --rw=write --bs=4m --size=16m --iodepth=4
detach
