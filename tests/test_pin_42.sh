#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="Blocks smaller than those of the disk below are refused, where direct I/O is on nevertheless: btrfs does not say what that needs, and a dm device may get larger blocks later"

nullb looppin4k size=320 blocksize=4096
large=$NULLB
nullb looppin size=320

# refused: so it is, until the device has blocks as large, and no hole was filled.
refused()
{
	local blocks

	same "dio" "$(sys loop/dio)" 1
	limit logical_block_size 512
	blocks=$(stat -c %b "$IMG")
	for how in 1 fill; do
		pin_fails EINVAL "the block size is smaller than that of the device below" $how
	done
	same "blocks" "$(stat -c %b "$IMG")" "$blocks"
	io -d "$DEV" check 1 0 512K , fill 2 4K 4K , check 2 4K 4K
	lo "$DEV" set-block-size 4096
	pin fill
	io -d "$DEV" check 1 0 4K , check 2 4K 4K , check 1 8K 504K
	detach
	umounted "$FS"
}

LOOP_SCRATCH_DEV=$large fs btrfs
written_img 1M
attach "$IMG" flags=$DIRECT_IO
refused

dm loop-selftest "0 655360 linear $NULLB 0"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4
written_img 1M
fallocate -p -o 512K -l 64K "$IMG"
attach "$IMG" flags=$DIRECT_IO
frozen "$FS"
dd if="$NULLB" of="$large" bs=1M status=none conv=fsync
dm_table loop-selftest "0 655360 linear $large 0"
thawed
refused
