#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Unknown ioctls fail and change nothing; from 32-bit programs with ENOTTY"

img 64K
attach "$IMG"
for cmd in 0x4c0b 0x4c7f 0x4c80 0x4c82; do
	lo "$DEV" ioctl $cmd 0 =EINVAL
done
lo "$DEV" get-status64 flags=0 , size 64K
detach
lo "$DEV" ioctl 0x4c0b 0 =EINVAL
lo -c "$DEV" ioctl 0x4c0b 0 =ENOTTY , ioctl 0x4c80 0 =ENOTTY
