#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Whoever freezes the filesystem does not wait for times of a pinned file that are to be updated later"

TOPIC="times of the file"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	old
	begin=$(date +%s%N)
	for _ in {1..10}; do
		io -d "$DEV" fill 2 0 64K
		frozen "$FS"
		thawed
	done
	took=$((($(date +%s%N) - begin) / 1000000))
	((took < 6000 * PATIENCE)) || fail "ten freezes took $took ms"
	poll 5 moved || fail "times of $type: $(times)"
	detach
	umounted "$FS"
done
