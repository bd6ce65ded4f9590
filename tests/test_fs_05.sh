#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="ext4 with direct I/O: made, mounted, filled, checked, attached again, the same"

need mkfs.ext4 fsck.ext4
fs xfs
img 48M "$FS/img"
attach "$IMG" flags=$DIRECT_IO
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted "$DEV" "$TMP/mnt"
cp -r "$HERE" "$TMP/mnt"
io "$TMP/mnt/data" truncate 0 =OK 2>/dev/null || : >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 16M , fsync
umounted "$TMP/mnt"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck"
detach
attach "$IMG"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck"
mounted -o ro "$DEV" "$TMP/mnt"
diff -r "$HERE" "$TMP/mnt/${HERE##*/}"
io "$TMP/mnt/data" check 1 0 16M
umounted "$TMP/mnt"
detach
