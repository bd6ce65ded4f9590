#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A write of a part of a block with FUA is on the medium of a pinned file when it ends"

# flushes OFFSET LENGTH: how many flushes of the disk come with eight synchronous writes.
flushes()
{
	local before i

	before=$(awk '{ print $16 }' "/sys/block/${NULLB#/dev/}/stat")
	for i in 1 2 3 4 5 6 7 8; do
		io -d -s "$DEV" write "$1" "$2"
	done
	echo $(($(awk '{ print $16 }' "/sys/block/${NULLB#/dev/}/stat") - before))
}

has_pinned || skip "no pinned mode"
# Whole blocks are written with FUA, by a disk that has it.
nullb looprmw size=64 cache_size=1 blocksize=4096 fua=1
LOOP_SCRATCH_DEV=$NULLB fs ext4 60
written_img 1M
attach_quietly "$IMG" block_size=512 flags=$DIRECT_IO
pin 1
limit logical_block_size 512
limit fua 1
# Nothing but the device is used from here on.
sync -f "$FS"
flushes 0 4K >"$TMP/first"
whole=$(flushes 0 4K)
same "flushes with parts of blocks" "$(flushes 512 512)" $((whole + 8))
unpin
detach
umounted "$FS"
