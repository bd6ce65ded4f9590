#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_BLOCK_SIZE writes out dirty data first and fails for another's exclusive claim"

img 1M
attach "$IMG"
# Held open, as the last close would write it out as well.
io "$DEV" fill 1 0 1M , \
	hold "loop_ioctl $DEV set-block-size 4096 && loop_io $IMG check 1 0 1M"
io "$DEV" check 1 0 1M
lo "$DEV" open rx , open rw , set-block-size 512 =EBUSY , use 0 , \
	set-block-size 2048
limit logical_block_size 2048
detach
