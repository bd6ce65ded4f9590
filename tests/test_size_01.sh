#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="An offset moves where the device begins in the file"

img 1M
io "$IMG" fill 1 0 1M
for offset in 512 4096 65536 1000 1047552 1048064; do
	size=$(((1048576 - offset) / 512 * 512))
	attach "$IMG" offset=$offset
	lo "$DEV" size $size
	same "size" "$(sys size)" $((size / 512))
	io "$DEV" check 1 0 $size $offset
	detach
done

# Written data lands behind the offset, and nowhere else.
attach "$IMG" offset=12800
io "$DEV" fill 2 4096 8192 , fsync
io "$IMG" check 1 0 16896 , check 2 16896 8192 4096 , check 1 25088 64K
detach
