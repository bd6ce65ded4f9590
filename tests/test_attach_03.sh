#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="losetup attaches, lists, finds by file and detaches"

need losetup jq
img 1M
DEV=$(losetup --find --show --offset 4096 --sizelimit 8192 "$IMG")
same "losetup -n -O" "$(losetup -n -O OFFSET,SIZELIMIT,AUTOCLEAR,RO,BACK-FILE,DIO \
	--raw "$DEV")" "4096 8192 0 0 $IMG 0"
same "losetup -j" "$(losetup -n -O NAME -j "$IMG")" "$DEV"
same "losetup --json" "$(losetup --json -l "$DEV" |
	jq -r '.loopdevices[0].name')" "$DEV"
same "size" "$(blockdev --getsize64 "$DEV")" 8192
losetup -d "$DEV"
unbound "$DEV"
same "losetup -j" "$(losetup -n -O NAME -j "$IMG")" ""

losetup -r "$DEV" "$IMG"
same "read-only" "$(blockdev --getro "$DEV")" 1
losetup -d "$DEV"
unbound "$DEV"
