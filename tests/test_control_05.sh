#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="loop-control knows three commands; others are ENOSYS, from 32-bit programs too"

lo $CONTROL ioctl 0x4c83 0 =ENOSYS , ioctl 0x4c00 0 =ENOSYS , ioctl 0 0 =ENOSYS
lo -c $CONTROL ioctl 0x4c83 0 =ENOSYS , get-free >"$TMP/n"
same "free device" "$(<"$TMP/n")" "$(lo $CONTROL get-free)"
lo -c $CONTROL remove 999999 =ENODEV , remove -1 =EINVAL
same "device number" "$(stat -c '%t:%T' $CONTROL)" "a:ed"
