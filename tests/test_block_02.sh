#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CONFIGURE takes a block size"

img 1M
io "$IMG" fill 1 0 1M
new_dev
for size in 0 512 1024 4096; do
	lo "$DEV" configure "$IMG" block_size=$size
	limit logical_block_size $((size ? size : 512))
	io "$DEV" check 1 0 1M
	io -d "$DEV" read 0 $((size ? size : 512))
	((size <= 512)) || io -d "$DEV" read 0 512 =EINVAL
	detach
done
