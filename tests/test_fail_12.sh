#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem that lies about the size of the file: what is not there cannot be read"

fuse_img 1M 0
attach_quietly "$IMG"
io -d "$DEV" fill 1 0 1M
for dio in 0 1; do
	for size in 1G 0x7fffffffffffffff; do
		fuse size $size
		lo "$DEV" set-dio $dio , set-capacity , size $((${size/G/ << 30} & ~511))
		io -d "$DEV" check 1 0 1M , read 1M 4096 =EIO , read 512M 64K =EIO
		io -d "$DEV" write 512M 4096 =ENOSPC
		fuse size 64K
		lo "$DEV" set-capacity , size 64K
		io -d "$DEV" check 1 0 64K , read 64K 4096 0
	done
	# Where it is not known what a file can be.
	fuse fail getattr EIO
	lo "$DEV" set-capacity , size 0
	fuse fail getattr OK
	fuse size 0x7fffffffffffffff
	lo "$DEV" set-status64 offset=0x7fffffffffff0000 , size $((65535 & ~511))
	io -d "$DEV" read 0 4096 =EIO , read 61440 3584 =EIO , write 0 4096 =ENOSPC
	lo "$DEV" set-status64 offset=0
done
io -d "$DEV" check 1 0 1M
# One that no file can have: from here on the kernel knows this one no more.
fuse size 0xffffffffffffffff
lo "$DEV" set-capacity , size 0
fuse size 1M
lo "$DEV" set-capacity , size 0
detach
