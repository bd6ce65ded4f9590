#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O works where the filesystem goes through its page cache nevertheless"

fs ext4
mount -o remount,data=journal "$FS" 2>/dev/null || {
	dev=$(findmnt -n -o SOURCE "$FS")
	umounted "$FS"
	mounted -t ext4 -o data=journal "$dev" "$FS"
}
img 16M "$FS/img"
attach "$IMG" flags=$DIRECT_IO
io -d "$DEV" fill 1 0 4M , check 1 0 4M , fsync
detach
io "$IMG" check 1 0 4M
