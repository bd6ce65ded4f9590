#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem mounted with discard, and fstrim, give space back to the file"

need mkfs.ext4 fstrim
img 64M
attach "$IMG"
# Zeroes in its tables would take space later.
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=0 "$DEV"
mkdir "$TMP/mnt"
mounted -o discard "$DEV" "$TMP/mnt"
: >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 16M , fsync
full=$(stat -c %b "$IMG")
rm "$TMP/mnt/data"
sync -f "$TMP/mnt"
fstrim "$TMP/mnt"
# ext4 discards what it freed in the background.
freed() { (((full - $(stat -c %b "$IMG")) * 512 >= 15 << 20)); }
poll 20 freed || fail "of $full blocks $(stat -c %b "$IMG") are left"
umounted "$TMP/mnt"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"
detach
