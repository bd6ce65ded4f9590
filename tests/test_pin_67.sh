#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="Holes that somebody reads all the time are filled as others are"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	img 0 "$FS/img"
	[[ $type != btrfs ]] || chattr +C "$IMG"
	fallocate -l 48M "$IMG"
	attach "$IMG" flags=$DIRECT_IO
	rm -f "$TMP/enough"
	read_on &
	reader=$!
	io "$SYS/loop/pinned" put fill
	: >"$TMP/enough"
	wait $reader
	io -d -b 1M "$DEV" zero 0 48M
	io -d "$DEV" fill 1 20M 1M
	detach
	io "$IMG" drop , zero 0 20M , check 1 20M 1M , zero 21M 27M
	umounted "$FS"
done
