#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_GET_STATUS64 fills in every field"

img 1M
attach "$IMG" offset=512 sizelimit=4096 file_name=name flags=$PARTSCAN
read -r dev inode <<<"$(stat -c '%d %i' "$IMG")"
lo "$DEV" get-status64 number="$N" device="$dev" inode="$inode" rdevice=0 \
	offset=512 sizelimit=4096 flags=$PARTSCAN file_name=name \
	encrypt_type=0 key_size=0 init=0 crypt_name= key=
detach

# The rdevice is that of a backing block device.
img 1M
attach "$IMG"
lower=$DEV
attach "$lower"
read -r dev inode rdev <<<"$(stat -c '%d %i %r' "$lower")"
lo "$DEV" get-status64 number="$N" device="$dev" inode="$inode" rdevice="$rdev"
detach
detach_dev "$lower"
