#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="An offset that the disk below does not take ends pinned mode, and direct I/O with it, where its blocks are larger than pages"

has_large_blocks || skip "no blocks larger than a page"
need mkfs.xfs
img 400M
attach "$IMG"
lower=$DEV
lo "$lower" set-block-size 16384
mkfs.xfs -q -f -K -b size=16384 -s size=16384 "$lower"
FS=$TMP/fs
mkdir "$FS"
mount -t xfs "$lower" "$FS" 2>"$TMP/mount.log" || skip "no blocks larger than pages: $(<"$TMP/mount.log")"
umount "$FS"
mounted -t xfs "$lower" "$FS"
pinned_img 1M
limit logical_block_size 16384
unpinned lo "$DEV" set-status64 offset=4096
same "dio" "$(sys loop/dio)" 0
io "$DEV" check 1 0 64K 4096
detach
umounted "$FS"
detach_dev "$lower"
