#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="Shared blocks and copy-on-write are refused; what has blocks of its own qualifies"

need btrfs
fs xfs
written_img 1M
cp --reflink=always "$IMG" "$FS/copy" || skip "no reflink"
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "file system refuses"
io -d "$DEV" fill 2 0 1M
# XFS tells no blocks of what has shared some once. A copy will do.
pin_fails EINVAL "file system refuses"
detach
cp --reflink=never --sparse=never "$IMG" "$FS/again"
attach "$FS/again" flags=$DIRECT_IO
pin 1
io -d "$DEV" check 2 0 1M , fill 3 0 64K
detach
io "$FS/copy" check 1 0 1M
umounted "$FS"

fs btrfs
img 0 "$FS/cow"
io "$IMG" fill 1 0 1M , fsync
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "copy-on-write"
io -d "$DEV" check 1 0 1M , fill 2 0 64K
detach
btrfs -q subvolume create "$FS/sub"
written_img 1M sub/img
attach "$IMG" flags=$DIRECT_IO
pin 1
unpin
btrfs -q subvolume snapshot "$FS/sub" "$FS/snap"
pin_fails EINVAL "file system refuses"
btrfs -q subvolume delete "$FS/snap"
detach
