#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="loop-control's refusals make and remove nothing; numbers are ints there"

img 64K
attach "$IMG"
unchanged lo $CONTROL add "$N" =EEXIST , add 1048576 =EINVAL , \
	add 0x3fffffff =EINVAL , remove "$N" =EBUSY , remove -1 =EINVAL , \
	remove -2147483648 =EINVAL , remove 999999 =ENODEV , \
	remove 2147483647 =ENODEV , ioctl 0x4c7f 0 =ENOSYS , \
	ioctl 0x4c00 0 =ENOSYS , ioctl 0xffffffff 0 =ENOSYS
# LOOP_CTL_ADD, LOOP_CTL_REMOVE
unchanged lo $CONTROL ioctl 0x4c80 $((0x500000000 + N)) =EEXIST , \
	ioctl 0x4c81 $((0x500000000 + N)) =EBUSY , \
	ioctl 0x4c81 0x5ffffffff =EINVAL
# Whoever may open it needs no capability.
n=$(lo $CONTROL open r , drop-caps , add -1)
[[ -d /sys/block/loop$n ]] || fail "no loop$n"
settle
lo $CONTROL open r , drop-caps , remove "$n" , get-free >"$TMP/n"
# It is no file to read, write or seek in.
fails head -c 1 $CONTROL
fails tee $CONTROL <<<x
detach
