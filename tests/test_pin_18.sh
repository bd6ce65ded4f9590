#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="After the filesystem was shut down nothing is written any more; reading goes on"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	io -d "$DEV" fill 2 0 64K
	# The mount point, so that nobody has a file open.
	io "$FS" shutdown
	sleep 0.1
	io -d "$DEV" write 0 4K =EIO , fsync =ANY
	io -d "$DEV" write 512K 4K =EIO
	io -d "$DEV" discard 64K 4K =EIO
	io -d "$DEV" check 2 0 64K , check 1 64K 960K
	detach
	umounted "$FS"
done
