#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where memory is missing to pin a file it is not pinned, and can still be written to"

has_pinned || skip "no pinned mode"
faults
for type in ext4 xfs btrfs; do
	fs $type
	written_img 1M
	attach "$IMG" flags=$DIRECT_IO
	each_failing "$DEV" pinned 1 , pinned 0
	is_pinned 1
	io -d "$DEV" check 1 0 1M
	unpin
	io "$IMG" write 0 4K
	io "$IMG" fill 2 0 1M , truncate 2097152
	lo "$DEV" set-capacity
	loop_ioctl -n "$DEV" pinned fill , pinned 0
	is_pinned 1
	io -d "$DEV" check 2 0 1M , zero 1M 1M
	# It ends whatever is missing.
	loop_ioctl -n "$DEV" pinned 0 , pinned 1
	is_pinned 0
	io "$IMG" check 2 0 1M , zero 1M 1M , fill 3 0 64K
	detach
	umounted "$FS"
done
