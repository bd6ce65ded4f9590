#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What others do to the file while it is attached shows: holes read as zeroes, and one that can only be appended to is written wherever the device is"

fs ext4
img 1M "$FS/img"
io "$IMG" fill 1 0 1M , fsync
exec 9>>"$IMG"
new_dev
quiet
lo "$DEV" set-fd fd:9
exec 9>&-
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io -d "$DEV" fill 1 0 1M , check 1 0 1M
	fallocate -p -o 64K -l 64K "$IMG"
	io -d "$DEV" check 1 0 64K , zero 64K 64K , check 1 128K 896K
	io -d "$DEV" fill 2 96K 64K , check 2 96K 64K , fsync
	same "size of the file" "$(stat -c %s "$IMG")" 1048576
done
detach
io "$IMG" zero 64K 32K , check 2 96K 64K
