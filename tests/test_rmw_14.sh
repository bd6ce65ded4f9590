#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A write of a part of a block with FUA is on the medium of a pinned file when it ends"

# flushes OFFSET LENGTH: how many flushes of the disk come with a synchronous write.
flushes()
{
	local before

	before=$(awk '{ print $16 }' "/sys/block/${NULLB#/dev/}/stat")
	io -d -s "$DEV" write "$1" "$2"
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
sync -f "$FS"
# Some writes commit the times of the file, which flushes too, and the more of them do the slower the
# machine is. Those of parts of blocks and the others take turns, so that they have an equal share.
mount -o remount,commit=300 "$FS"
whole=0 parts=0
for ((i = 0; i < 16; i++)); do
	((whole += $(flushes 0 4K), parts += $(flushes 512 512), 1))
done
((parts - whole >= 8)) || fail "$parts flushes with parts of blocks, $whole with whole ones"
unpin
detach
umounted "$FS"
