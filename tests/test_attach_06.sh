#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="mount -o loop attaches with autoclear, umount detaches"

need mkfs.ext4 losetup
img 16M
mkfs.ext4 -q -F "$IMG"
mkdir "$TMP/mnt"
mounted -o loop "$IMG" "$TMP/mnt"
DEV=$(losetup -n -O NAME -j "$IMG")
same "autoclear of $DEV" "$(sys loop/autoclear)" 1
echo hello >"$TMP/mnt/file"
umounted "$TMP/mnt"
unbound "$DEV"

mounted -o loop,ro "$IMG" "$TMP/mnt"
DEV=$(losetup -n -O NAME -j "$IMG")
same "read-only" "$(blockdev --getro "$DEV")" 1
same "content" "$(<"$TMP/mnt/file")" hello
umounted "$TMP/mnt"
unbound "$DEV"
