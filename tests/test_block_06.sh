#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Every refused block size changes nothing; LOOP_SET_BLOCK_SIZE looks at 32 bits"

img 1M
io "$IMG" fill 1 0 1M
# Nobody else reads while the size changes.
attach_quietly "$IMG" block_size=2048
# Negative ones; what is above 32 bits does not count.
OPS=()
for size in 1 2 256 511 513 1000 1536 4097 65535 131072 0x40000000 0x80000000 \
	0xfffffe00 0xffffffff 0xfffffffffffffe00 0xffffffffffffffff \
	0x100000001 0x100000100; do
	OPS+=(set-block-size "$size" "=EINVAL" ",")
done
unchanged lo "$DEV" "${OPS[@]}"
unchanged lo -c "$DEV" set-block-size 1 =EINVAL , set-block-size 513 =EINVAL , \
	set-block-size 131072 =EINVAL , set-block-size 0xffffffff =EINVAL
limit logical_block_size 2048
unchanged lo "$DEV" set-block-size 2048
lo "$DEV" set-block-size 0x100000200
limit logical_block_size 512
lo "$DEV" set-block-size 4096 , set-block-size 0x500000000
limit logical_block_size 512

# Blocks may be larger than a page where the page cache can do that.
for size in 8192 16384 32768 65536; do
	if has_large_blocks; then
		lo "$DEV" set-block-size $size
		limit logical_block_size $size
		limit physical_block_size $size
		limit minimum_io_size $size
		io "$DEV" check 1 0 1M
	else
		unchanged lo "$DEV" set-block-size $size =EINVAL
	fi
done
detach
limit logical_block_size 512
limit physical_block_size 512
limit minimum_io_size 512
