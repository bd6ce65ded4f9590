#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="losetup -P finds the partitions of a table made for 4096-byte sectors"

need losetup sfdisk
img 8M
new_dev
losetup -b 4096 "$DEV" "$IMG"
sfdisk -q --no-reread --no-tell-kernel "$DEV" <<-TABLE
	label: gpt
	start=512, size=256
TABLE
losetup -d "$DEV"
unbound "$DEV"
quiet
losetup -P -b 4096 "$DEV" "$IMG"
partition 1
same "start of p1" "$(sys "loop${N}p1/start")" 4096
same "size of p1" "$(sys "loop${N}p1/size")" 2048
loud
losetup -d "$DEV"
unbound "$DEV"
no_partitions

# It is not one for 512-byte sectors.
losetup -P "$DEV" "$IMG"
no_partitions
losetup -d "$DEV"
unbound "$DEV"
