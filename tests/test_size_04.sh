#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_CAPACITY makes the device follow a file that has grown or shrunk"

img 1M
io "$IMG" fill 1 0 1M
attach "$IMG" offset=4096
truncate -s 2M "$IMG"
io "$IMG" fill 1 1M 1M
lo "$DEV" size $((1048576 - 4096)) , set-capacity , size $((2097152 - 4096))
io "$DEV" check 1 0 $((2097152 - 4096)) 4096
truncate -s 64K "$IMG"
lo "$DEV" set-capacity , size 61440
io "$DEV" check 1 0 61440 4096
io "$DEV" read 61440 512 0
truncate -s 4096 "$IMG"
lo "$DEV" set-capacity , size 0
truncate -s 1M "$IMG"
lo "$DEV" set-capacity , set-status64 sizelimit=65536 , size 65536 , \
	set-capacity , size 65536
detach
