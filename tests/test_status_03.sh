#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Names end within their field; encryption is refused, keys and read-only fields ignored"

img 1M
attach "$IMG"
long=$(printf 'x%.0s' {1..80})
lo "$DEV" set-status64 file_name="$long" , get-status64 file_name="${long::63}"
lo "$DEV" set-status64 crypt_name=xor key=secret key_size=32 init=7 , \
	get-status64 crypt_name= key= key_size=0 encrypt_type=0 init=0 file_name=
lo "$DEV" set-status64 file_name=kept number=77 device=1 inode=2 rdevice=3 , \
	get-status64 number="$N" rdevice=0 inode="$(stat -c %i "$IMG")"

lo "$DEV" set-status64 key_size=33 =EINVAL , \
	set-status64 key_size=0x80000000 =EINVAL
for type in 1 2 9 18 20 255 0xffffffff; do
	lo "$DEV" set-status64 encrypt_type=$type offset=512 =EINVAL
done
lo "$DEV" get-status64 file_name=kept offset=0
detach
for refused in encrypt_type=1 encrypt_type=18 encrypt_type=99 key_size=33; do
	lo "$DEV" configure "$IMG" $refused =EINVAL , get-status64 =ENXIO
done
