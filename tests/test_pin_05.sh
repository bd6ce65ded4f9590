#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="Holes, and ranges that were only allocated, are refused on each filesystem, also if somebody has just read them into the page cache"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	for how in sparse hole end allocated read; do
		written_img 1M $how
		case $how in
		sparse) : >"$IMG" && truncate -s 1M "$IMG" ;;
		hole) fallocate -p -o 64K -l 4K "$IMG" ;;
		end) truncate -s $(((1 << 20) + 4096)) "$IMG" ;;
		*) fallocate -z -o 512K -l 64K "$IMG" ;;
		esac
		[[ $how != read ]] || io "$IMG" zero 512K 64K
		attach "$IMG" flags=$DIRECT_IO
		pin_fails ENODATA "never written"
		# And writing goes on.
		io -d "$DEV" fill 2 0 64K , check 2 0 64K
		detach
		io "$IMG" check 2 0 64K , fill 3 0 64K
	done
	umounted "$FS"
done
