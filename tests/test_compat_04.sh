#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A 32-bit program's bad addresses and missing permissions are found as a native one's"

img 64K
new_dev
for ptr in null bad edge; do
	unchanged lo32 "$DEV" configure "$IMG" ptr=$ptr =EFAULT
done
lo32 "$DEV" configure "r:$IMG" ptr=odd
for ptr in null bad edge; do
	error=EFAULT
	[[ $ptr != null ]] || error=EINVAL
	unchanged lo32 "$DEV" get-status ptr=$ptr =$error , \
		get-status64 ptr=$ptr =$error , set-status ptr=$ptr =EFAULT , \
		set-status64 ptr=$ptr =EFAULT
done
unchanged lo32 "$DEV" get-status ptr=ro =EFAULT , get-status64 ptr=ro =EFAULT
lo32 "$DEV" set-status ptr=ro file_name=ro , get-status64 file_name=ro , \
	set-status64 ptr=odd file_name=odd , get-status ptr=odd file_name=odd , \
	set-status ptr=odd file_name=old , get-status64 ptr=odd file_name=old

unchanged lo32 "$DEV" open r , drop-caps , set-status64 =EPERM , \
	set-capacity =EPERM , set-dio 1 =EPERM , set-block-size 1024 =EPERM , \
	set-status64 ptr=bad =EPERM , get-status flags=$READ_ONLY , \
	get-status64 flags=$READ_ONLY
lo32 "$DEV" open r , set-status file_name=a , set-status64 file_name=b , \
	set-capacity , set-dio 0 , set-block-size 1024 , set-block-size 512
lo32 "$DEV" open rw , drop-caps , set-status file_name=a , \
	set-status64 file_name=b , set-capacity , set-dio 0 , set-block-size 1024
lo32 "$DEV" open r , drop-caps , clr-fd
unbound "$DEV"
