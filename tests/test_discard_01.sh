#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A discard frees the space in the file, and what was there reads as zeroes"

fs ext4
for where in "$FS" "$TMP"; do
	img 8M "$where/img"
	io "$IMG" fill 1 0 8M , fsync
	before=$(stat -c %b "$IMG")
	for flags in 0 $DIRECT_IO; do
		attach "$IMG" flags="$flags"
		max=$(sys queue/discard_max_bytes)
		((max >= 1 << 30)) || fail "discard_max_bytes is $max"
		limit discard_granularity "$(stat -f -c %s "$where")"
		io "$DEV" fill 1 0 8M , fsync , discard 1M 4M , flush , \
			zero 1M 4M , check 1 0 1M , check 1 5M 3M
		freed=$(((before - $(stat -c %b "$IMG")) * 512))
		((freed >= 4000000)) || fail "only $freed bytes were freed"
		# What does not fill a block is not freed, and reads right.
		io "$DEV" discard 512 1024 , flush , zero 512 1024 , \
			check 1 0 512 , check 1 1536 4096
		detach
	done
	io "$IMG" zero 1M 4M , check 1 5M 3M
	same "size of the file" "$(stat -c %s "$IMG")" 8388608
	rm "$IMG"
done
