#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="A filesystem with a pinned file cannot be unmounted or made read-only by hand; one that went read-only by an error lets nothing be written any more"

fs ext4 64
pinned_img 1M
fails umount "$FS"
fails mount -o remount,ro "$FS"
io -d "$DEV" fill 2 0 64K
dev=$(findmnt -no SOURCE "$FS")
id=${dev#/dev/}
[[ -w /sys/fs/ext4/$id/trigger_fs_error ]] || skip "no trigger_fs_error"
mount -o remount,errors=remount-ro "$FS"
echo 1 >"/sys/fs/ext4/$id/trigger_fs_error"
sleep 0.1
io -d "$DEV" write 0 4K =EIO
io -d "$DEV" check 2 0 64K , check 1 64K 960K
detach
