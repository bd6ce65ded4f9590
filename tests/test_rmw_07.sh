#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Of a discard or write-zeroes that begins and ends within a block exactly the sectors are zeroed, and whole blocks given back"

nullb looprmw size=320 blocksize=4096
LOOP_SCRATCH_DEV=$NULLB
fs ext4
for lower in file disk; do
	if [[ $lower == file ]]; then
		img 8M "$FS/img"
		file=$IMG
	else
		umounted "$FS"
		file=$NULLB
	fi
	attach "$file" block_size=512 flags=$DIRECT_IO
	in_blocks
	for op in discard zeroout; do
		for range in "512 512" "3584 1024" "512 7680" "7680 262144" "4096 512" "8192 65536"; do
			read -r at len <<<"$range"
			io -d "$DEV" fill 1 0 1M
			before=$(stat -c %b "$file")
			# A disk without either has neither of the device's.
			(($(sys queue/discard_max_bytes))) || [[ $op == zeroout ]] || continue
			io -d "$DEV" "$op" "$at" "$len"
			io -d "$DEV" zero "$at" "$len" , check 1 0 "$at" , check 1 $((at + len)) 256K
			io "$file" zero "$at" "$len" , check 1 0 "$at" , check 1 $((at + len)) 256K
			[[ $lower == disk || $op == zeroout ]] || ((len < 65536)) ||
				(($(stat -c %b "$file") < before)) || fail "nothing was given back"
		done
	done
	detach
done
