#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="What was flushed on a pinned device is still there if the power goes: the filesystem needs nothing more for it, also if the file is new"

for type in "${PINNABLE[@]}"; do
	nullb "looppin$type" size=320 discard=1
	LOOP_SCRATCH_DEV=$NULLB fs "$type"
	sync -f "$FS"
	img 0 "$FS/img"
	[[ $type != btrfs ]] || chattr +C "$IMG"
	io "$IMG" fill 1 0 2M
	truncate -s 4M "$IMG"
	attach "$IMG" flags=$DIRECT_IO
	pin fill
	io -d "$DEV" fill 2 1M 1M , fill 3 3M 1M , fsync
	# As the disk is now.
	dd if="$NULLB" of="$TMP/disk" bs=1M iflag=direct conv=sparse status=none
	unpin
	detach
	umounted "$FS"
	# All zeroes first, so that those need not be written.
	io "$NULLB" discard 0 320M , zero 16M 1M
	dd if="$TMP/disk" of="$NULLB" bs=64K conv=sparse,fsync status=none
	rm "$TMP/disk"
	mounted -t "$type" "$NULLB" "$FS"
	io "$IMG" check 1 0 1M , check 2 1M 1M , zero 2M 1M , check 3 3M 1M
	umounted "$FS"
done
