#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Ioctls on a partition's node act on the whole device"

gpt_img 4M
attach_quietly "$IMG" flags=$PARTSCAN
partition 1
lo "${DEV}p1" get-status64 number="$N" flags=$PARTSCAN , get-status number="$N"
lo "${DEV}p1" set-status64 file_name=by-part flags=$PARTSCAN , set-dio 1 , \
	get-status64 file_name=by-part flags=$((PARTSCAN | DIRECT_IO)) , set-dio 0
lo "$DEV" get-status64 file_name=by-part flags=$PARTSCAN
unchanged lo "${DEV}p1" set-fd "$IMG" =EBUSY , configure "$IMG" =EBUSY , \
	change-fd "$IMG" =EINVAL , set-block-size 513 =EINVAL , \
	set-status64 encrypt_type=1 =EINVAL
truncate -s 8M "$IMG"
lo "${DEV}p1" set-capacity
same "size" "$(sys size)" 16384
# Who holds a partition keeps the disk from being claimed.
lo "${DEV}p1" open rx , open rwx =EBUSY , spawn "loop_ioctl $DEV open rx =EBUSY , \
	open rw , set-block-size 4096 =EBUSY , set-fd $IMG =EBUSY"
limit logical_block_size 512
detach
