#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A real 32-bit program reaches every ioctl, with its own idea of the structures"

img 1M
io "$IMG" fill 1 0 1M
img 1M other
img 1M
new_dev
lo32 "$DEV" get-status64 =ENXIO , get-status =ENXIO , set-status =ENXIO , \
	set-fd fd:-1 =EBADF , change-fd fd:-1 =EBADF
lo32 "$DEV" set-fd "$IMG" , size 1M , \
	set-status offset=4096 file_name=32bit , \
	get-status offset=4096 file_name=32bit number="$N" flags=0 rdevice=0 \
		inode="$(stat -c %i "$IMG")" device="$(stat -c %d "$IMG")" \
		encrypt_type=0 key_size=0 key= init=0 , \
	get-status64 offset=4096 sizelimit=0 file_name=32bit
same "offset" "$(sys loop/offset)" 4096
# The old structure has no limit, and its key and type never arrive.
lo32 "$DEV" set-status64 sizelimit=65536 offset=0x7ffffe00 , size 0 , \
	get-status offset=0x7ffffe00 , \
	set-status encrypt_type=1 key_size=99 key=secret , \
	get-status64 sizelimit=0 offset=0 key= , size 1M
lo32 "$DEV" set-status64 sizelimit=65536 , size 65536 , set-block-size 1024 , \
	set-block-size 1000 =EINVAL , set-dio 1 , get-status64 flags=$DIRECT_IO , \
	set-dio 0 , get-status flags=0 , set-capacity , size 65536
limit logical_block_size 1024
# What does not fit is refused, either way.
lo32 "$DEV" set-status offset=0x80000000 =EOVERFLOW , \
	set-status64 offset=0x80000000 , get-status =EOVERFLOW , \
	set-status64 offset=0x100000000 , get-status =EOVERFLOW , \
	get-status64 offset=0x100000000 , set-status64
lo32 "$DEV" ioctl 0x4c0b 0 =ENOTTY , ioctl 0x4c7f 0 =ENOTTY , \
	ioctl 0x4c82 0 =ENOTTY
lo32 "$DEV" clr-fd
unbound "$DEV"

lo32 "$DEV" configure "$IMG" flags=32 =EINVAL , \
	configure "r:$IMG" block_size=2048 offset=4096 sizelimit=8192 \
		flags=$PARTSCAN file_name=configured reserved=1 , \
	size 8192 , ro 1 , get-status64 offset=4096 sizelimit=8192 \
		flags=$((READ_ONLY | PARTSCAN)) file_name=configured , \
	change-fd "r:$TMP/other" , clr-fd
unbound "$DEV"
n=$(lo32 $CONTROL add -1)
[[ -d /sys/block/loop$n ]] || fail "no loop$n"
same "free device" "$(lo32 $CONTROL get-free)" "$(lo $CONTROL get-free)"
lo32 $CONTROL add "$n" =EEXIST , ioctl 0x4c83 0 =ENOSYS , remove -1 =EINVAL
poll 10 lo32 $CONTROL remove "$n"
