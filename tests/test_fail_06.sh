#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A sparse file in a filesystem that is full: new blocks are ENOSPC, those that are there can be written"

fs ext4 64
img 48M "$FS/img"
attach_quietly "$IMG"
io -d "$DEV" fill 1 0 1M , fsync
fails dd if=/dev/zero of="$FS/full" bs=1M
sync -f "$FS"
fails dd if=/dev/zero of="$FS/full2" bs=4K
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io -d "$DEV" write 16M 64K =ENOSPC , write 32M 4096 =ENOSPC , \
		fill 2 0 1M , fsync , check 2 0 1M , zero 16M 64K
	io "$DEV" fill 1 24M 1M , fsync =EIO
	io -d "$DEV" fill 1 0 1M
done
rm "$FS/full" "$FS/full2"
sync -f "$FS"
io "$DEV" flush , zero 24M 1M
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io -d "$DEV" fill 3 $((16 + 8 * dio))M 1M , fsync , check 3 16M 1M
done
detach
io "$IMG" check 1 0 1M , check 3 16M 1M , check 3 24M 1M
