#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="Whoever reads the file by way of the filesystem sees what was written, also what he has read before, while the device is pinned and when that has ended"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	io "$IMG" check 1 0 1M
	io -d "$DEV" fill 2 0 64K
	io "$IMG" check 2 0 64K , check 1 64K 960K
	io -d "$DEV" zeroout 32K 32K
	io "$IMG" check 2 0 32K , zero 32K 32K , check 1 64K 960K
	io -d "$DEV" fill 2 0 64K
	unpin
	io "$IMG" check 2 0 64K , check 1 64K 960K
	pin 1
	io "$IMG" check 2 0 64K
	io -d "$DEV" fill 3 0 64K
	detach
	io "$IMG" check 3 0 64K , check 1 64K 960K
	umounted "$FS"
done
