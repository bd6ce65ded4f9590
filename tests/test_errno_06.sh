#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Descriptors and numbers are ints: what is above 32 bits of them is not looked at"

img 64K
img 64K other
new_dev
exec 7<>"$TMP/img" 8<"$TMP/other"
# LOOP_SET_FD, LOOP_CHANGE_FD
lo "$DEV" ioctl 0x4c00 0x100000007 , size 64K
same "backing_file" "$(sys loop/backing_file)" "$TMP/img"
detach
exec 7<"$TMP/img" 8<"$TMP/other"
lo "$DEV" ioctl 0x4c00 0x100000007 , ioctl 0x4c06 0xffffffff00000008
same "backing_file" "$(sys loop/backing_file)" "$TMP/other"
unchanged lo "$DEV" ioctl 0x4c06 0xffffffff =EBADF , ioctl 0x4c06 0x80000007 =EBADF
# LOOP_CLR_FD and LOOP_SET_CAPACITY have no argument.
lo "$DEV" ioctl 0x4c07 0xdeadbeefdeadbeef , ioctl 0x4c01 0xdeadbeefdeadbeef
exec 7<&- 8<&-
unbound "$DEV"
