#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# LOOP_SET_BLOCK_SIZE writes out dirty data first and fails for another's exclusive claim.

. ./test_common.sh

img 1M
attach "$IMG"
io "$DEV" fill 1 0 1M
lo "$DEV" set-block-size 4096
io "$IMG" check 1 0 1M
io "$DEV" check 1 0 1M
lo "$DEV" open rx , open rw , set-block-size 512 =EBUSY , use 0 , \
	set-block-size 2048
limit logical_block_size 2048
detach
