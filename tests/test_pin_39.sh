#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="A file on a zoned disk is refused, even if it lies where that can be written as any other"

nullb loopzoned size=256 zoned=1 zone_size=16 zone_nr_conv=15
LOOP_SCRATCH_DEV=$NULLB fs ext4 128
written_img 1M
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "zoned"
io -d "$DEV" check 1 0 1M , fill 2 0 64K , check 2 0 64K
detach
umounted "$FS"

# Here it has to lie elsewhere.
nullb loopzones size=256 zoned=1 zone_size=16
mkfs.btrfs -q -f -K -m single -d single -O zoned "$NULLB" >"$TMP/log" 2>&1 || skip "mkfs.btrfs knows no zones"
mounted -t btrfs "$NULLB" "$FS"
img 0 "$FS/img"
io "$IMG" fill 1 0 1M , fsync
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "copy-on-write"
io -d "$DEV" check 1 0 1M
detach
umounted "$FS"
