#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="After an error of its own journal the filesystem lets nothing be written, also when the disk is good again; reading goes on"

for type in ext4 xfs btrfs; do
	nullb looppin$type size=320
	good="0 $((320 * 2048)) linear $NULLB 0"
	dm loop-$type "$good"
	LOOP_SCRATCH_DEV=/dev/mapper/loop-$type fs $type
	[[ $type != ext4 ]] || mount -o remount,errors=remount-ro "$FS"
	pinned_img 1M
	io -d "$DEV" fill 2 0 64K
	sync -f "$FS"
	dm_table loop-$type "0 $((320 * 2048)) error"
	# The first one who changes something after the journal was given up makes ext4 read-only.
	for name in new newer; do
		: >"$FS/$name" || true
		sync -f "$FS" || true
	done 2>/dev/null
	dm_table loop-$type "$good"
	sleep 0.1
	io -d "$DEV" write 0 4K =EIO , write 512K 4K =EIO
	io -d "$DEV" check 2 0 64K , check 1 64K 960K
	is_pinned 1
	detach
	umounted "$FS"
done
