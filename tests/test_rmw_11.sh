#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where the blocks of the file system are larger than those of the disk, no write of a part of the last one takes a write beside it back"

nullb looprmw size=320 blocksize=4096 submit_queues=2
need mkfs.xfs
FS=$TMP/fs
mkdir "$FS"
mkfs.xfs -q -f -K -b size=16384 "$NULLB" || skip "no blocks of 16 KiB"
grep -qw xfs /proc/filesystems || need_module xfs
mount -t xfs "$NULLB" "$FS" 2>/dev/null || skip "blocks larger than a page cannot be mounted"
MOUNTS+=("$FS")
size=$((3 * 16384 + 8192 + 1536))
img 0 "$FS/img"
io "$IMG" fill 1 0 64K , fsync
attach "$IMG" block_size=512 flags=$DIRECT_IO sizelimit=$size
in_blocks
# The last 16 KiB are two blocks of the disk, and a part of one.
for seed in 1 2 3 4; do
	loop_rmw -p 8 -n 400 -r $seed -f "$IMG:0" "$DEV" $((3 * 16384)) $((8192 + 1536))
done
loop_rmw -p 8 -n 200 -r 5 -f "$IMG:0" "$DEV" 0 $size
detach
