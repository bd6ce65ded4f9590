#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# While the filesystem is frozen pinned mode can be ended, and the device detached.

. ./test_common.sh

need fsfreeze
for type in ext4 xfs btrfs; do
	fs $type
	pinned_img 1M
	io -d "$DEV" fill 2 0 64K
	fsfreeze -f "$FS"
	unpin
	io -d "$DEV" check 2 0 64K
	fsfreeze -u "$FS"
	pin 1
	fsfreeze -f "$FS"
	detach
	fsfreeze -u "$FS"
	io "$IMG" check 2 0 64K , check 1 64K 960K
	umounted "$FS"
done
