#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="the blocks of the file stay"
DESCRIPTION="What changes the content or the blocks of a pinned file is refused, by each filesystem, and works afterwards"

try()
{
	local want="=$1" mode

	for mode in 0 1 2 3 8 16 17 32 64; do
		[[ $1 != OK ]] || ((mode == 0)) || continue
		io "$IMG" fallocate $mode 64K 64K "=${2:-$1}"
	done
	io "$IMG" write 0 4K "$want" , write 1M 4K "$want" , truncate 4096 "$want" , map-fill 2 0 4K "$want"
	io -d "$IMG" write 0 4K "$want"
}

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	before=$(blocks_of "$IMG")
	try ETXTBSY ANY
	fails loop_io "$IMG" late-fill 2 0 4K
	fails rm -f "$IMG"
	fails mv "$IMG" "$FS/other"
	: >"$FS/other"
	fails mv "$FS/other" "$IMG"
	fails cp --reflink=always "$IMG" "$FS/copy"
	fails swapon "$IMG"
	fails umount "$FS"
	same "blocks" "$(blocks_of "$IMG")" "$before"
	same "size" "$(stat -c %s "$IMG")" $((1 << 20))
	# Reading is for all.
	io "$IMG" check 1 0 1M , map-check 1 0 1M
	io -d "$IMG" check 1 0 1M
	io -d "$DEV" check 1 0 1M
	unpin
	try OK
	mv "$IMG" "$FS/other"
	rm "$FS/other"
	detach
	umounted "$FS"
done
