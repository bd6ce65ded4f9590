#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="While the filesystem is frozen pinned mode can be ended, and the device detached"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	io -d "$DEV" fill 2 0 64K
	frozen "$FS"
	soon loop_io "$SYS/loop/pinned" put 0
	is_pinned 0
	io -d "$DEV" check 2 0 64K
	thawed
	pin 1
	frozen "$FS"
	soon loop_ioctl "$DEV" clr-fd
	unbound "$DEV"
	thawed
	io "$IMG" check 2 0 64K , check 1 64K 960K
	umounted "$FS"
done
