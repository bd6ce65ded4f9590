#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem on a sparse file whose own filesystem is full: who syncs is told, and what is written when there is room is there"

need mkfs.ext4 fsck.ext4
fs ext4 64
img 48M "$FS/img"
attach "$IMG"
mkfs.ext4 -q -F -O ^has_journal "$DEV"
mkdir "$TMP/mnt"
mounted -t ext4 "$DEV" "$TMP/mnt"
data=$TMP/mnt/data
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	: >"$data"
	# It may tell of what failed before.
	sync -f "$TMP/mnt" || true
	fails dd if=/dev/zero of="$FS/full" bs=1M
	sync -f "$FS"
	io "$data" fill 1 0 8M , fsync =ENOSPC
	rm "$FS/full"
	sync -f "$FS"
	rm "$data"
	: >"$data"
	io "$data" fill 2 0 8M , drop , check 2 0 8M
	rm "$data"
	fstrim "$TMP/mnt"
done
umounted "$TMP/mnt"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck" || fail "$(<"$TMP/fsck")"
detach
