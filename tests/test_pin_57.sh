#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="A file of blocks smaller than a page is pinned if they lie in whole pages"
# If not it is refused, and told why.

need mkfs.ext4
FS=$TMP/fs
mkdir "$FS"

# small_blocks SIZE: IMG is a file on ext4 with blocks of that size, in one piece if there is one.
small_blocks()
{
	nullb "loopsmall$1" size=160
	mkfs.ext4 -q -F -b "$1" "$NULLB"
	mounted -t ext4 "$NULLB" "$FS"
	IMG=$FS/img
	fallocate -l 8M "$IMG"
	io "$IMG" fill 1 0 8M , fsync
	attach "$IMG" flags=$DIRECT_IO
}

# are_pages: the blocks lie in whole pages.
are_pages()
{
	blocks_of "$IMG" | tr -c '0-9\n' ' ' |
		awk '$1 % 8 || $3 % 8 || $5 % 8 { bad = 1 } END { exit bad }'
}

# The first block is not used, so that what begins at a multiple of blocks does not at one of pages.
small_blocks 1024
! are_pages || skip "ext4 has put the file into whole pages"
pin_fails EINVAL "smaller than a page"
io -d "$DEV" check 1 0 8M , fill 3 0 64K , fsync , check 3 0 64K
detach
umounted "$FS"

small_blocks 2048
are_pages || skip "ext4 has not put the file into whole pages"
pin 1
io -d "$DEV" check 1 0 8M , fill 2 0 8M , fsync
detach
io "$IMG" check 2 0 8M
