#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="Where the flush at the end of pinned mode fails, the next flush of the device does, and a sync of the file"
# If there is none, as the device is detached, that is logged.

need python3
failing_img 1M cache_size=1
attach_quietly "$IMG" flags=$DIRECT_IO
# A flush commits the times, too: the journal, which would be given up, does without flushes.
mount -o remount,barrier=0 "$FS"
bad=$DM_BAD

# A flush of pinned mode itself is told of, and nobody else.
pin 1
io -d "$DEV" fill 3 0 64K
dm_table loop-selftest "$bad"
io "$DEV" fsync =EIO
data_works
io "$DEV" fsync
unpin
io "$DEV" fsync

for change in "unpin" "lo $DEV set-dio 0" "lo $DEV set-block-size 4096"; do
	pin 1
	exec 7<"$IMG"
	io -d "$DEV" fill 4 0 64K
	dm_table loop-selftest "$bad"
	$change
	data_works
	is_pinned 0
	io "$DEV" fsync =EIO , fsync
	fails python3 -c 'import os; os.fsync(7)'
	exec 7<&-
	lo "$DEV" set-dio 1
done

pin 1
io -d "$DEV" fill 5 0 64K
dm_table loop-selftest "$bad"
detach
data_works
dmesg | awk -v mark="$MARK" 'index($0, mark) { seen = 1 } seen' |
	grep -q "loop$N: .*-5" || fail "dmesg does not tell of it"
io "$IMG" check 5 0 64K
