#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A write with FUA that request-based device mapper passes on is on the medium when it ends"
# It has FUA if one of its paths has, and passes requests on past what follows a write by a flush where the device has
# none.

need_module dm_multipath dm_round_robin

# paths DEVICE...: /dev/mapper/loop-paths is on the last one of these.
paths()
{
	dm loop-paths "0 32768 multipath 0 0 1 1 round-robin 0 $# 0 $*"
	while (($# > 1)); do
		dmsetup message loop-paths 0 "fail_path $1"
		shift
	done
}

flushes()
{
	awk '{ print $16 }' "/sys/block/${DISK#/dev/}/stat"
}

# flushed WHAT OFFSET LENGTH: such a write is followed by a flush of the disk. So is that by the one that the kernel adds
# to any synchronous write. The fewest of a few times count: the file system may flush for itself, too.
flushed()
{
	local before now fewest=9

	for _ in 1 2 3 4; do
		before=$(flushes)
		io -d -s /dev/mapper/loop-paths write "$2" "$3"
		now=$(($(flushes) - before))
		((now >= fewest)) || fewest=$now
	done
	same "flushes below $1" "$fewest" 2
}

nullb loopfua size=16 cache_size=1
OTHER=$NULLB

fs_without_flushes
DISK=$NULLB
written_img 16M
for dio in 0 1; do
	attach_quietly "$IMG"
	lo "$DEV" set-dio $dio
	limit fua 0
	paths "$OTHER" "$DEV"
	flushed "a file, dio $dio" 1M 4K
	flushed "a file, dio $dio" 2M 64K
	dm_gone loop-paths
	detach
done

# The device had FUA itself when the table was loaded.
if has_pinned; then
	attach_quietly "$IMG" flags=$DIRECT_IO
	pin 1
	limit fua 1
	paths "$DEV"
	flushed "a pinned file" 1M 4K
	unpin
	flushed "a file that was pinned" 1M 4K
	dm_gone loop-paths
	detach
fi

nullb loopblock size=16 cache_size=1 blocksize=4096 fua=0
DISK=$NULLB
for dio in 0 1; do
	attach_quietly "$DISK" block_size=512
	# Not with the C driver.
	((!dio)) || lo "$DEV" set-dio 1
	paths "$OTHER" "$DEV"
	flushed "a disk, dio $dio" 1M 4K
	flushed "a part of a block, dio $dio" $((1048576 + 512)) 512
	dm_gone loop-paths
	detach
done
