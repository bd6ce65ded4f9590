#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="Discards and zeroes read as zeroes; the file keeps its blocks"

# Modes of fallocate.
KEEP=1
PUNCH=2
ZERO=16
nullb looppin size=64 discard=1
for dev in "$NULLB" "${LOOP_SCRATCH_DEV:-}"; do
	[[ $dev ]] || continue
	LOOP_SCRATCH_DEV=$dev fs ext4 64
	fragmented_img 4M
	io "$IMG" fill 1 0 4M , fsync
	attach "$IMG" flags=$DIRECT_IO
	before=$(blocks_of "$IMG" | md5sum)
	used=$(stat -c %b "$IMG")
	pin 1
	max=$(<"/sys/block/${dev#/dev/}/queue/write_zeroes_max_bytes")
	((!max)) || max=$((4294967295 / 512 * 512))
	limit write_zeroes_max_bytes "$max"
	limit discard_max_bytes "$max"
	io -d "$DEV" zeroout 4K 1M , zero 4K 1M , check 1 0 4K , check 1 1052672 4K , \
		fallocate $((ZERO | KEEP)) 2M 64K , zero 2M 64K , check 1 2162688 4K
	if ((max)); then
		io -d "$DEV" discard 3M 512K , zero 3M 512K , check 1 3584K 512K , \
			fallocate $((PUNCH | KEEP)) 3584K 64K , zero 3M 576K
	fi
	detach
	io "$IMG" zero 4K 1M , check 1 0 4K , zero 2M 64K , check 1 2162688 4K
	same "blocks" "$(stat -c %b "$IMG")" "$used"
	same "extents" "$(blocks_of "$IMG" | md5sum)" "$before"
	umounted "$FS"
done
