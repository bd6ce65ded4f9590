#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where memory is missing for pinned mode, or to fill holes for it, the device goes on in the ordinary mode and can be pinned later"

need_pinned
faults
for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 1M
	attach "$IMG" flags=$DIRECT_IO
	before=$(snapshot)
	each_failing "$DEV" pinned 1 , pinned 0
	is_pinned 1
	io -d "$DEV" check 1 0 1M , fill 2 0 64K
	unpin
	each_failing "$DEV" pinned fill , pinned 0 , spawn "fallocate -p -o 512K -l 64K '$IMG'"
	is_pinned 1
	io -d "$DEV" check 2 0 64K , check 1 64K 448K , zero 512K 64K , check 1 576K 448K
	unpin
	looks_like "$before" || fail "it was $before, and is $(snapshot)"
	detach
	umounted "$FS"
done
