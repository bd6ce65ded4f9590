#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A disk that is pulled out below a mounted filesystem on a loop device"

need mkfs.ext4
scsi_disk dev_size_mb=32 delay=0
attach "$SCSI_DISK" flags=$DIRECT_IO
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted -t ext4 "$DEV" "$TMP/mnt"
: >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 4M , drop
settle
echo 1 >"/sys/block/${SCSI_DISK#/dev/}/device/delete"
io "$TMP/mnt/data" read 0 4096 =EIO
fails loop_io "$TMP/mnt/data" write 0 4096 , fsync
umounted "$TMP/mnt"
# A disk that is gone has no size.
io -d "$DEV" read 0 4096 =EIO , write 0 4096 =ENOSPC
detach
scsi_disk_gone
