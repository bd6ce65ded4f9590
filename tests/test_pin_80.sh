#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="A file that was truncated below the size of the device is not pinned: writes beyond its end make it longer"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 2M
	attach "$IMG" flags=$DIRECT_IO
	truncate -s 1M "$IMG"
	pin_fails EINVAL "less than that of the device"
	lo "$DEV" size 2M
	io -d "$DEV" check 1 0 1M , fill 2 1M 1M , fsync
	pin 1
	io -d "$DEV" check 1 0 1M , check 2 1M 1M
	detach
	umounted "$FS"
done
