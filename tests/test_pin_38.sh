#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="The disk below keeps protection information, which it checks, and has blocks of 4096 bytes"

for setting in "dif=1 dix=1" "dif=3 dix=1" "sector_size=4096" "sector_size=4096 dif=1 dix=1"; do
	# shellcheck disable=SC2086
	scsi_disk dev_size_mb=64 delay=0 $setting
	size=512
	[[ $setting != sector_size* ]] || size=4096
	same "block size" "$(<"/sys/block/${SCSI_DISK#/dev/}/queue/logical_block_size")" $size
	[[ $setting != *dif* ]] || [[ $(<"/sys/block/${SCSI_DISK#/dev/}/integrity/format") == T10-DIF* ]] ||
		fail "no protection information"
	LOOP_SCRATCH_DEV=$SCSI_DISK fs ext4 60
	fragmented_img 4M
	io "$IMG" fill 1 0 4M , fsync
	attach "$IMG"
	if ((size > 512)); then
		lo "$DEV" set-block-size 512 , set-dio 1
		pin 1
		io -d -b 512 "$DEV" check 1 0 4M , fill 2 512 8K , check 2 512 8K , check 1 8704 64K , fill 1 0 16K
		lo "$DEV" set-block-size 4096
	fi
	lo "$DEV" set-dio 1
	pin 1
	limit logical_block_size $size
	io -d "$DEV" check 1 0 4M
	io -d -b 1M "$DEV" fill 2 4K 2M , check 2 4K 2M
	fio_verify "$DEV" --direct=1 --offset=3m --size=1m --bs=4k-64k
	fio_verify "$DEV" --direct=0 --offset=3m --size=1m --fsync=16
	is_pinned 1
	detach
	io "$IMG" drop , check 1 0 4K , check 2 4K 2M
	umounted "$FS"
	scsi_disk_gone
done
