#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A filesystem on a pinned device: made, filled, checked, and the same afterwards"

need mkfs.ext4 fsck.ext4
fs xfs
pinned_img 48M
before=$(blocks_of "$IMG")
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted -o discard "$DEV" "$TMP/mnt"
cp -r "$HERE" "$TMP/mnt"
: >"$TMP/mnt/data"
fio_verify "$TMP/mnt/data" --direct=0 --size=8m --fsync=64
io "$TMP/mnt/data" fill 1 0 8M , fsync
rm -r "${TMP:?}/mnt/${HERE##*/}"
cp -r "$HERE" "$TMP/mnt/again"
umounted "$TMP/mnt"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck"
is_pinned 1
unpin
fsck.ext4 -f -n "$DEV" >"$TMP/fsck"
mounted -o ro "$DEV" "$TMP/mnt"
diff -r "$HERE" "$TMP/mnt/again"
io "$TMP/mnt/data" check 1 0 8M
umounted "$TMP/mnt"
detach
same "blocks" "$(blocks_of "$IMG")" "$before"
