#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What somebody has read of the file meanwhile, by way of the filesystem, is forgotten when pinned mode ends.

. ./test_common.sh

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	io "$IMG" check 1 0 1M
	io -d "$DEV" fill 2 0 64K
	unpin
	io "$IMG" check 2 0 64K , check 1 64K 960K
	pin 1
	io "$IMG" check 2 0 64K
	io -d "$DEV" fill 3 0 64K
	detach
	io "$IMG" check 3 0 64K , check 1 64K 960K
	umounted "$FS"
done
