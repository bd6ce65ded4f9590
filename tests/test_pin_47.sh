#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="On a disk without a write cache what was synced by way of a device that was stacked on a pinned one is on the disk, also after pinned mode has ended"

# synced PATTERN: what is written to the stacked device, and synced in each way, is on the disk then.
synced()
{
	io /dev/mapper/loop-stacked fill "$1" 0 64K , fsync
	io -d /dev/mapper/loop-stacked fill "$1" 64K 64K , fsync
	# With FUA.
	io -d -s /dev/mapper/loop-stacked fill "$1" 128K 64K
	io -d "$NULLB" check "$1" "$PLACE" 192K 0
}

nullb looppin size=64
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
written_img 1M
# Where its only extent is on the disk, in bytes.
PLACE=$(blocks_of "$IMG" | awk 'NR == 1 { gsub(/[.:]+/, " "); print $3 * 512 }')
io -d "$NULLB" check 1 "$PLACE" 1M 0
for pinned in 0 1; do
	attach_quietly "$IMG" flags=$DIRECT_IO
	((!pinned)) || pin 1
	stacked loop-stacked
	((pinned)) || pin 1
	synced 2
	unpin
	synced 3
	pin 1
	synced 4
	# From here on what is written gets no further than the page cache of the file, unless it is synced.
	unpinned lo "$DEV" set-dio 0
	synced 5
	dm_gone loop-stacked
	detach
done
