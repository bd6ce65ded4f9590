#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_BLOCK_SIZE takes powers of two from 512 up and refuses the rest"

img 1M
io "$IMG" fill 1 0 1M
attach "$IMG"
for size in 1024 2048 4096 512 4096; do
	lo "$DEV" set-block-size $size , set-block-size $size
	limit logical_block_size $size
	limit physical_block_size $size
	limit minimum_io_size $size
	same "BLKSSZGET" "$(blockdev --getss "$DEV")" $size
	io "$DEV" check 1 0 1M
done
for size in 1 256 511 513 1000 3072 131072 0x80000000; do
	lo "$DEV" set-block-size $size =EINVAL
	limit logical_block_size 4096
done
# Zero is the default.
lo "$DEV" set-block-size 0
limit logical_block_size 512
lo "$DEV" set-block-size 2048
detach
limit logical_block_size 512
limit minimum_io_size 512
# It does not outlive the attachment.
lo "$DEV" set-fd "$IMG"
limit logical_block_size 512
detach
