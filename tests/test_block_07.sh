#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A file with larger blocks serves smaller ones; with C buffered, and not by direct I/O"

nullb loopbs size=16 blocksize=4096
io "$NULLB" fill 1 0 16M
for size in 512 1024 2048; do
	new_dev
	lo "$DEV" configure "$NULLB" block_size=$size flags=$DIRECT_IO
	preferred=4096
	has_rmw || {
		preferred=$size
		lo "$DEV" get-status64 flags=0
		unchanged lo "$DEV" set-dio 1 =EINVAL
	}
	limit logical_block_size $size
	limit physical_block_size $preferred
	io -d -b $size "$DEV" check 1 0 16K
	lo "$DEV" set-block-size 4096 , set-dio 1 , get-status64 flags=$DIRECT_IO
	io -d "$DEV" check 1 0 64K
	# Back to what C serves by the page cache only.
	lo "$DEV" set-block-size $size
	has_rmw || lo "$DEV" get-status64 flags=0
	limit logical_block_size $size
	limit physical_block_size $preferred
	# Opened for direct I/O it starts with the file's blocks.
	detach
	lo "$DEV" set-fd "d:$NULLB" , get-status64 flags=$DIRECT_IO
	limit logical_block_size 4096
	lo "$DEV" set-block-size $size , set-dio 0 , get-status64 flags=0 , \
		set-block-size 0 , get-status64 flags=0
	limit logical_block_size 512
	limit physical_block_size 512
	detach
done
