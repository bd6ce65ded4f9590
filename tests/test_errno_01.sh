#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Ioctls of an unbound device fail with ENXIO"

img 64K
new_dev
lo "$DEV" get-status64 =ENXIO , get-status =ENXIO , set-status64 =ENXIO , \
	set-status =ENXIO , clr-fd =ENXIO , set-capacity =ENXIO , \
	set-dio 1 =ENXIO , set-dio 0 =ENXIO , set-block-size 512 =ENXIO , \
	set-block-size 1 =ENXIO , change-fd "r:$IMG" =ENXIO , size 0 , \
	read 0 512 =ENODATA
# What is wrong with the argument is found first, where it is looked at first.
lo "$DEV" set-status64 ptr=bad =EFAULT , change-fd fd:-1 =EBADF , \
	get-status64 ptr=null =EINVAL , get-status64 ptr=bad =ENXIO , \
	set-status64 encrypt_type=1 =ENXIO
