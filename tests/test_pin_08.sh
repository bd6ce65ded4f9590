#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="Changing the block size ends pinned mode; what is refused changes nothing"

nullb looppin size=64 blocksize=4096
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
written_img 1M
attach "$IMG"
# Buffered.
lo "$DEV" set-block-size 512
io "$SYS/loop/pinned" put 1 =EINVAL
lo "$DEV" set-block-size 4096 , set-dio 1
pin 1
limit logical_block_size 4096
io -d "$DEV" check 1 0 1M , fill 2 4K 4K , check 2 4K 4K
# What is refused changes nothing.
lo "$DEV" set-block-size 131072 =EINVAL , set-block-size 4097 =EINVAL
is_pinned 1
if has_large_blocks; then
	unpinned lo "$DEV" set-block-size 8192
	pin 1
fi
# Smaller than the disk's.
unpinned lo "$DEV" set-block-size 512
pin 1
io "$DEV" check 1 0 4K , check 2 4K 4K , check 1 8K 1016K
detach
