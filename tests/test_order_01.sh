#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What was synced on the device has been flushed on the disk below when that returns"
# The disk is dm-log-writes, in whose log writes are only once they were flushed. What is written
# are lines, which are found there by what they say, and a mark follows as soon as they are synced.

need_module dm_log_writes
need mkfs.ext4

LINES_WRITTEN=4096
COUNT=0
HOW=()

# written PLACE DD_ARGUMENT...: the device is written to, in a way that ends with
# a sync. Places are 64K.
written()
{
	local number

	COUNT=$((COUNT + 1))
	HOW[COUNT]="$DEV on $BACKING, direct=$(sys loop/dio): $*"
	printf -v number %02d $COUNT
	seq -f "order-$number-%06.0f" $LINES_WRITTEN >"$TMP/data"
	dd if="$TMP/data" of="$DEV" bs=64K seek="$1" conv=notrunc status=none "${@:2}"
	dmsetup message loop-order 0 mark "mark-$number"
}

# ordered FILE: all ways to sync, on new blocks and on old ones.
ordered()
{
	local direct place

	BACKING=$1
	for direct in 0 $DIRECT_IO; do
		attach_quietly "$BACKING" flags="$direct"
		for place in 1 1; do
			written $place oflag=direct conv=notrunc,fsync
			written $((place + 1)) oflag=direct,dsync
			written $((place + 2)) conv=notrunc,fsync
			written $((place + 3)) conv=notrunc,fdatasync
			written $((place + 4)) oflag=dsync
		done
		detach
	done
}

# found: how many lines of each write come before its mark: number, lines.
found()
{
	LC_ALL=C grep -ao -e 'order-[0-9][0-9]-' -e 'mark-[0-9][0-9]' "$TMP/log" |
		awk -F - '
			$1 == "order" { lines[$2 + 0]++ }
			$1 == "mark" { print $2 + 0, lines[$2 + 0] + 0 }'
}

nullb looporder size=64
disk=$NULLB
nullb looplog size=128
log=$NULLB
dm loop-order "0 131072 log-writes $disk $log"

ordered /dev/mapper/loop-order
# What is not synced is not in the log: or else nothing of this means anything.
attach_quietly /dev/mapper/loop-order flags=$DIRECT_IO
written 1 oflag=direct
UNSYNCED=$COUNT
detach

mkfs.ext4 -q -F -b 4096 /dev/mapper/loop-order
mkdir "$TMP/fs"
mounted /dev/mapper/loop-order "$TMP/fs"
img 1M "$TMP/fs/img"
ordered "$IMG"
umounted "$TMP/fs"

# This waits for the log to be written.
dmsetup remove loop-order
DMS=()
dd if="$log" of="$TMP/log" bs=1M iflag=direct status=none
marks=0
while read -r number lines; do
	marks=$((marks + 1))
	same "mark" "$number" $marks
	if ((number == UNSYNCED)); then
		same "lines in the log without a sync" "$lines" 0
	else
		same "lines in the log (${HOW[number]})" "$lines" $LINES_WRITTEN
	fi
done < <(found)
same "marks in the log" $marks $COUNT
