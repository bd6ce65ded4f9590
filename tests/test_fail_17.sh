#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A disk that is pulled out below a mounted filesystem on a loop device"

need mkfs.ext4
[[ ! -d /sys/module/scsi_debug ]] || skip "scsi_debug is in use"
modprobe -q sd_mod || true
modprobe -q scsi_debug dev_size_mb=32 delay=0 || skip "no module scsi_debug"
is_disk()
{
	compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*" >"$TMP/disk"
}
poll 20 is_disk || fail "no disk appears"
disk=$(<"$TMP/disk")
poll 20 test -b "/dev/${disk##*/}"
settle
attach "/dev/${disk##*/}" flags=$DIRECT_IO
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted -t ext4 "$DEV" "$TMP/mnt"
: >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 4M , drop
settle
echo 1 >"$disk/device/delete"
io "$TMP/mnt/data" read 0 4096 =EIO
fails loop_io "$TMP/mnt/data" write 0 4096 , fsync
umounted "$TMP/mnt"
# A disk that is gone has no size.
io -d "$DEV" read 0 4096 =EIO , write 0 4096 =ENOSPC
detach
poll 20 rmmod scsi_debug || fail "the disk is still in use"
