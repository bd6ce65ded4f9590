#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="A file that somebody else may write to, or swaps to, is refused"

need mkswap swapon
fs ext4
written_img 1M
attach "$IMG" flags=$DIRECT_IO
exec 7>>"$IMG"
pin_fails EBUSY "open for writing"
# What was tried did not stop others.
io "$IMG" fill 1 0 4K
exec 7>&-
# Readers do not matter.
exec 7<"$IMG"
pin 1
exec 7<&-
unpin
first=$DEV
# A second device: none of the two, until the other one is gone.
attach "$IMG" flags=$DIRECT_IO
pin_fails EBUSY "open for writing"
detach_dev "$first"
pin 1
second=$DEV
attach "$IMG" flags=$DIRECT_IO
pin_fails EBUSY "swap file"
io -d "$DEV" check 1 0 64K , write 0 4K =EIO
detach
DEV=$second
detach
mkswap -q "$IMG"
chmod 600 "$IMG"
attach "$IMG" flags=$DIRECT_IO
swapon "$IMG"
result=$(loop_io "$SYS/loop/pinned" put 1 =EBUSY && sys loop/pinned_reason) || true
swapoff "$IMG"
[[ $result == *"swap file"* ]] || fail "of a swap file: $result"
pin 1
fails swapon "$IMG"
detach
