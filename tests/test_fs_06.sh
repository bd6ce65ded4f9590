#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="btrfs in a loop device in ext4 survives unmount, detach and its own check"

need mkfs.btrfs btrfs
need_module btrfs
fs ext4
img 128M "$FS/img"
attach "$IMG"
mkfs.btrfs -q -f "$DEV"
mkdir "$TMP/mnt"
mounted "$DEV" "$TMP/mnt"
: >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 8M , fsync , fill 2 4M 1M
umounted "$TMP/mnt"
detach
attach "$IMG" flags=$DIRECT_IO
btrfs check --readonly "$DEV" >"$TMP/check" 2>&1 || fail "$(<"$TMP/check")"
mounted "$DEV" "$TMP/mnt"
io "$TMP/mnt/data" check 1 0 4M , check 2 4M 1M , check 1 5M 3M
umounted "$TMP/mnt"
detach
