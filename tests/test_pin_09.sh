#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="fill writes zeroes to what was never written: nothing of what the disk had there before is to be seen, and everything else stays"

size=$((320 << 20))
dev=${LOOP_SCRATCH_DEV:-}
[[ $dev ]] || {
	nullb looppin size=320
	dev=$NULLB
}
for type in "${PINNABLE[@]}"; do
	io "$dev" fill 7 0 "$size" , fsync
	LOOP_SCRATCH_DEV=$dev fs "$type"
	written_img 1M
	fallocate -l 24M "$IMG"
	truncate -s 32M "$IMG"
	io "$IMG" fill 2 25M 1M , fsync
	# This does not make it data.
	io "$IMG" zero 2M 1M , zero 30M 1M
	attach "$IMG" flags=$DIRECT_IO
	pin_fails ENODATA "never written"
	pin fill
	io -d "$DEV" check 1 0 1M , zero 1M 24M , check 2 25M 1M , zero 26M 6M
	io -d "$DEV" fill 3 3M 1M , zero 2M 1M , zero 4M 1M
	detach
	io "$IMG" drop , check 1 0 1M , zero 1M 2M , check 3 3M 1M , zero 4M 21M , \
		check 2 25M 1M , zero 26M 6M
	umounted "$FS"
done
