#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing filesystem that turns read-only, as for an error: writes fail, reads go on"

fs ext4
mount -o remount,errors=remount-ro "$FS"
source=$(findmnt -n -o SOURCE "$FS")
trigger=/sys/fs/ext4/${source##*/}/trigger_fs_error
[[ -w $trigger ]] || skip "no $trigger"
img 4M "$FS/img"
attach_quietly "$IMG"
io -d "$DEV" fill 1 0 1M , fsync
io "$IMG" drop
echo test >"$trigger"
fails touch "$FS/other"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io -d "$DEV" check 1 0 1M , write 0 4096 =EIO , write 2M 64K =EIO , \
		check 1 0 1M , zero 2M 64K
	io "$DEV" fill 2 0 64K , fsync =EIO
	io "$DEV" discard 0 64K =EIO , flush , check 1 0 64K
done
detach
