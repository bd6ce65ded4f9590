#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions stay with LOOP_CHANGE_FD to an image with the same table, and show what that has"

# stay FILE: with this file each partition stays.
stay()
{
	events lo "$DEV" change-fd "r:$1"
	same "events" "$EVENTS" "$EXPECTED"
}

for table in "12 gpt" "4 dos"; do
	# shellcheck disable=SC2086
	long_img $table
	cp "$IMG" "$TMP/other"
	if [[ $table == *dos ]]; then
		# One that is active and of another type is the same, and one is cut where the device ends.
		sfdisk -q -A "$TMP/other" 1
		sfdisk -q --part-type "$TMP/other" 1 7
		for file in "$IMG" "$TMP/other"; do
			printf '\xff\xff' | dd of="$file" bs=1 seek=$((446 + 48 + 12)) conv=notrunc status=none
		done
	fi
	io "$TMP/other" fill 7 1M 64K 0
	io "$IMG" fill 1 1M 64K 0
	attach_quietly "r:$IMG" flags=$PARTSCAN
	for ((i = 1; i <= PARTS; i++)); do
		partition $i
	done
	numbers=$(cat "$SYS"/loop*p*/dev)
	io "${DEV}p1" check 1 0 64K
	opened_all_along
	EXPECTED=$(echo "change disk"; for ((i = 1; i <= PARTS; i++)); do echo "change p$i PARTN=$i"; done)
	stay "$TMP/other"
	io "${DEV}p1" check 7 0 64K
	# Also while one is open.
	exec 7<"${DEV}p1"
	stay "$IMG"
	io "${DEV}p1" check 1 0 64K
	exec 7<&-
	same "device numbers" "$(cat "$SYS"/loop*p*/dev)" "$numbers"
	opened_no_more
	detach
done

# With blocks of another size, too.
need losetup
for label in gpt dos; do
	img 8M large
	new_dev
	quiet
	losetup -b 4096 "$DEV" "$IMG"
	name=
	[[ $label == dos ]] || name=", name=one"
	sfdisk -q --no-reread --no-tell-kernel "$DEV" <<-TABLE
		label: $label
		start=512, size=256$name
		start=1024, size=256$name
	TABLE
	detach
	cp "$IMG" "$TMP/large2"
	quiet
	lo "$DEV" configure "r:$IMG" block_size=4096 flags=$PARTSCAN
	partition 2
	EXPECTED="change disk
change p1 PARTN=1${name:+ PARTNAME=one}
change p2 PARTN=2${name:+ PARTNAME=one}"
	stay "$TMP/large2"
	detach
done
