#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A write of a part of a block with FUA is on the medium of a pinned file when it ends"

# flushes OFFSET LENGTH: how many flushes of the disk come with a synchronous write.
flushes()
{
	local before

	before=$(awk '{ print $16 }' "/sys/block/${NULLB#/dev/}/stat")
	# A write commits the times of the file, which flushes too, if they were read since, or last
	# committed 100 ms ago. They are read, so that each write commits them.
	stat -c %z "$IMG" >/dev/null
	io -d -s "$DEV" write "$1" "$2" >&2
	echo $(($(awk '{ print $16 }' "/sys/block/${NULLB#/dev/}/stat") - before))
}

# fewest OFFSET LENGTH: the fewest flushes of some such writes. On a slow machine some commit twice.
fewest()
{
	for ((i = 0; i < 8; i++)); do
		flushes "$1" "$2"
	done | sort -n | sed -n 1p
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
mount -o remount,commit=300 "$FS"
whole=$(fewest 0 4K) parts=$(fewest 512 512)
[ "$parts" = $((whole + 1)) ] || fail "$parts flushes with a part of a block, $whole with a whole one"
unpin
detach
umounted "$FS"
