#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem that says that it wrote more than it was asked to is not believed"

fuse_img 1M
attach_quietly "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	fuse long 4096
	io -d "$DEV" write 0 4096 =EIO , write 64K 64K =EIO
	fuse long 0xfffff000
	io -d "$DEV" write 0 8192 =ANY
	fuse long 0
	io -d "$DEV" fill 1 0 1M , fsync , check 1 0 1M
done
detach
