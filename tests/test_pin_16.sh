#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="the blocks of the file stay"
DESCRIPTION="Nothing moves the blocks of a pinned file: defragmentation, balance, snapshots"

fs ext4 64
fragmented_img 2M
io "$IMG" fill 1 0 2M , fsync
attach "$IMG" flags=$DIRECT_IO
pin 1
before=$(blocks_of "$IMG")
e4defrag "$IMG" >"$TMP/log" 2>&1 || true
same "blocks after e4defrag" "$(blocks_of "$IMG")" "$before"
io -d "$DEV" check 1 0 2M
detach
umounted "$FS"

fs xfs
pinned_img 2M
before=$(blocks_of "$IMG")
FS=$FS/other.dir && mkdir "$FS"
cp "$IMG" "$FS/img"
xfs_fsr "$IMG" >"$TMP/log" 2>&1 || true
fails xfs_io -c "exchangerange $FS/img" "$IMG"
FS=${FS%/*}
same "blocks after xfs_fsr" "$(blocks_of "$IMG")" "$before"
detach
umounted "$FS"

fs btrfs
btrfs -q subvolume create "$FS/sub"
pinned_img 2M sub/img
before=$(blocks_of "$IMG")
fails btrfs subvolume snapshot "$FS/sub" "$FS/snap"
btrfs filesystem defragment -f "$IMG" >"$TMP/log" 2>&1 || true
btrfs balance start --full-balance "$FS" >"$TMP/log" 2>&1 || true
same "blocks after balance" "$(blocks_of "$IMG")" "$before"
io -d "$DEV" check 1 0 2M , fill 2 0 1M
unpin
btrfs -q subvolume snapshot "$FS/sub" "$FS/snap"
detach
io "$FS/snap/img" check 2 0 1M , check 1 1M 1M
