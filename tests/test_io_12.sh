#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O has the I/O priority of who submits it, on files and block devices"

for type in ext4 xfs btrfs; do
	command -v mkfs.$type >/dev/null || continue
	fs $type
	disk=$(findmnt -n -o SOURCE "$FS")
	written_img 2M
	attach_quietly "$IMG" flags=$DIRECT_IO
	keeps_priority R "$disk" 65536 read 0 64K
	keeps_priority R "$disk" 4096 read 1M 4K
	# btrfs hands writes to workers of its own.
	[[ $type == btrfs ]] || keeps_priority W "$disk" 65536 write 1M 64K
	detach
	umounted "$FS"
done
nullb loopio size=64
IMG=$NULLB
attach_quietly "$IMG" flags=$DIRECT_IO
keeps_priority R "$IMG" 65536 read 0 64K
keeps_priority W "$IMG" 65536 write 1M 64K
detach
