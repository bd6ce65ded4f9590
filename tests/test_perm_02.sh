#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="32-bit programs are held to the same: LOOP_SET_STATUS of a reader fails with EPERM"

img 64K
attach "$IMG"
lo -c "$DEV" open r , drop-caps , set-status64 =EPERM , set-capacity =EPERM , \
	set-dio 1 =EPERM , set-block-size 1024 =EPERM , set-status =EPERM , \
	set-status ptr=bad =EPERM
lo -c "$DEV" open rw , drop-caps , set-status file_name=x
lo -c "$DEV" open r , set-status file_name=y
detach
