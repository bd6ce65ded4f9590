#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="times of the file"
DESCRIPTION="A filesystem that is frozen just after a write to a pinned device shows the new times; a flush, unpin and detach meanwhile wait for no thaw, and the times of what was written after that move"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	for i in 1 2 3; do
		old
		# In one of them times that are not on the medium are left.
		((i == 1)) || io -d "$DEV" fill 2 0 4K
		((i < 3)) || poll 10 moved || fail "the times on $type stay"
		io -d "$DEV" fill 2 0 64K
		# Not longer than it takes.
		soon fsfreeze -f "$FS"
		FROZEN=$FS
		moved || fail "$type is frozen with old times"
		before=$(times)
		soon loop_io -d "$DEV" fsync
		if ((i == 2)); then
			soon loop_io "$SYS/loop/pinned" put 0
			is_pinned 0
			thawed
			pin 1
			continue
		fi
		background loop_io -d "$DEV" fill 3 0 64K , fsync
		writer=${JOBS[-1]}
		sleep 1.5
		! ended "$writer" || fail "a write went through"
		[[ $(times) == "$before" ]] || fail "the times on $type have moved while it was frozen"
		soon loop_io -d "$DEV" fsync
		thawed
		wait "$writer"
		moved || fail "the times on $type stay after the thaw"
	done
	detach
	umounted "$FS"
done
