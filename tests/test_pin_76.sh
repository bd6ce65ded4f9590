#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While a write on a pinned device waits for a thaw, whoever ends pinned mode waits as well, can be killed, and keeps nobody from reading"

TOPIC="freezes, shutdowns and errors of the file system"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	for how in kill thaw; do
		frozen "$FS"
		background loop_io -d "$DEV" fill 2 0 64K
		writer=${JOBS[-1]}
		sleep 0.5
		! ended "$writer" || fail "a write went through"
		background loop_io "$SYS/loop/pinned" put 0
		switcher=${JOBS[-1]}
		sleep 1
		for _ in 1 2 3 4 5; do
			soon loop_io -d "$DEV" check 1 64K 128K
			sleep 0.3
		done
		! ended "$switcher" || fail "it went on"
		if [[ $how == kill ]]; then
			kill -9 "$switcher"
			poll 5 ended "$switcher" || fail "it cannot be killed"
		fi
		thawed
		wait "$writer"
		wait "$switcher" || [[ $how == kill ]]
		[[ $how == kill ]] || is_pinned 0
		[[ $how == thaw ]] || is_pinned 1
		io -d "$DEV" check 2 0 64K , check 1 64K 128K
	done
	detach
	umounted "$FS"
done
