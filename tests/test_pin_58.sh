#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="An encrypted file is not pinned, and pinned_reason says why, with direct I/O or without"

need mkfs.ext4 xfs_io
nullb loopcrypt size=64
mkfs.ext4 -q -F -b 4096 -O encrypt "$NULLB"
FS=$TMP/fs
mkdir "$FS"
mounted -t ext4 "$NULLB" "$FS"
mkdir "$FS/secret"
id=$(head -c 64 /dev/urandom | xfs_io -c add_enckey "$FS" |
	sed -n 's/^Added encryption key with identifier //p') || true
[[ $id ]] || skip "no encryption key can be added"
xfs_io -c "set_encpolicy -v 2 $id" "$FS/secret" || skip "no encryption"
img 0 "$FS/secret/img"
io "$IMG" fill 1 0 1M , fsync
attach "$IMG"
pin_fails EINVAL "encrypted"
io "$DEV" check 1 0 1M
lo "$DEV" set-dio 1 =ANY >/dev/null
pin_fails EINVAL "encrypted"
io -d "$DEV" check 1 0 1M , fill 2 0 1M , fsync
detach
io "$IMG" check 2 0 1M
# What lies beside it can be.
written_img 1M
attach "$IMG" flags=$DIRECT_IO
pin 1
detach
