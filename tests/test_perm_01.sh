#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Without CAP_SYS_ADMIN a device has to be open for writing to be changed"

img 64K
img 64K other
attach "r:$TMP/img"
# One who reads may ask, and may not change.
lo "$DEV" open r , drop-caps , get-status64 flags=$READ_ONLY , \
	get-status flags=$READ_ONLY , set-status64 =EPERM , set-status =EPERM , \
	set-capacity =EPERM , set-dio 1 =EPERM , set-block-size 1024 =EPERM , \
	set-status64 ptr=bad =EPERM , get-status64 file_name= offset=0
limit logical_block_size 512
# With the capability a reader may.
lo "$DEV" open r , set-status64 file_name=a , set-status file_name=b , \
	set-capacity , set-dio 1 , set-dio 0 , set-block-size 1024 , \
	set-block-size 512
# And so may one who writes, without it.
lo "$DEV" open rw , drop-caps , set-status64 file_name=a , \
	set-status file_name=b , set-capacity , set-dio 1 , set-dio 0 , \
	set-block-size 1024 , set-block-size 512
# These never ask.
lo "$DEV" open r , drop-caps , change-fd "r:$TMP/other" , clr-fd
unbound "$DEV"
lo "$DEV" open r , drop-caps , set-fd "$IMG" , clr-fd
unbound "$DEV"
