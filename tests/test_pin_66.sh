#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="One block that was not written is found wherever it is in a file of few or of many extents, also while somebody reads the file all the time"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	for comb in "" 4M; do
		written_img 8M
		if [[ $comb ]]; then
			io "$IMG" comb 0 $comb , fill 1 0 $comb , fsync
		fi
		attach "$IMG" flags=$DIRECT_IO
		rm -f "$TMP/enough"
		read_on &
		reader=$!
		for block in 0 1 2 3 511 512 513 1000 1023 1024 1025 1536 2045 2046 2047; do
			fallocate -z -o $((block * 4096)) -l 4096 "$IMG"
			sync "$IMG"
			io "$SYS/loop/pinned" put 1 =ENODATA
			io "$IMG" fill 1 $((block * 4096)) 4096 , fsync
		done
		: >"$TMP/enough"
		wait $reader
		pin 1
		io -d "$DEV" check 1 0 8M
		detach
	done
	umounted "$FS"
done
