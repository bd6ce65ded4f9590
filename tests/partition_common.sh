#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Images with partition tables, and the partitions of a loop device. Sourced by test_common.sh.

# gpt_img SIZE [NAME]: IMG has two GPT partitions, of 256K at 1M and of 512K at
# 2M, filled with patterns 1 and 2 from their beginning.
gpt_img()
{
	need sfdisk
	img "$@"
	sfdisk -q "$IMG" <<-TABLE
		label: gpt
		start=2048, size=512
		start=4096, size=1024
	TABLE
	io "$IMG" fill 1 1M 256K 0 , fill 2 2M 512K 0
}

# long_img PARTS [LABEL]: IMG has a table, a GPT if not said otherwise, of so many partitions, of 64K from 1M on.
long_img()
{
	local i

	need sfdisk
	PARTS=$1
	img $((2 + PARTS / 16))M long
	{
		echo "label: ${2:-gpt}"
		for ((i = 0; i < PARTS; i++)); do
			echo "start=$((2048 + i * 128)), size=128"
		done
	} | sfdisk -q "$IMG"
}

# table NAME: IMG has the table that stdin says.
table()
{
	local name=$1

	need sfdisk
	img 4M "$name"
	sfdisk -q "$IMG"
}

# slow_img: the same with eight on a device that takes a while for each read.
slow_img()
{
	long_img 8
	need_module dm_delay
	nullb loopslow size=8
	dd if="$IMG" of="$NULLB" bs=1M oflag=direct status=none
	dm loop-slow "0 8192 delay $NULLB 0 30"
	IMG=/dev/mapper/loop-slow
}

# opened_all_along: $DEV is a free device with udev not kept off, that others open to read again and again, until
# "opened_no_more". "events" is ready.
opened_all_along()
{
	[[ -s $TMP/monitor ]] || monitor
	[[ -e ${SYS:-}/loop ]] || new_dev
	: >"$TMP/open"
	for _ in 1 2 3; do
		while [[ -e $TMP/open ]]; do
			: <"$DEV"
		done 8<&- &
		JOBS+=($!)
	done
}

opened_no_more()
{
	rm "$TMP/open"
	loud
	# It looks at each partition.
	udevadm settle -t $((120 * PATIENCE))
}

# appeared_once CHANGES: EVENTS are so many changes of the disk, and one "add" of each of $PARTS partitions, all of
# which are there.
appeared_once()
{
	local i

	same "events" "$EVENTS" "$(
		for ((i = 0; i < $1; i++)); do
			echo "change disk"
		done
		for ((i = 1; i <= PARTS; i++)); do
			echo "add p$i PARTN=$i"
		done)"
	for ((i = 1; i <= PARTS; i++)); do
		partition $i
	done
}

# partition NUMBER: the partition's node is there.
partition()
{
	[[ -d $SYS/${DEV#/dev/}p$1 ]] && test -b "${DEV}p$1"
}

no_partitions()
{
	local dir

	for dir in "$SYS/${DEV#/dev/}"p*; do
		[[ ! -d $dir ]] || fail "${dir##*/} is there"
	done
}

# rescanned FILE: with this file $DEV has its partitions read again, and with $TMP/img, which it has before, too. If
# there is $TMP/expected, it has what is "shown" meanwhile.
rescanned()
{
	events lo "$DEV" change-fd "r:$1"
	grep -q "^remove p1" <<<"$EVENTS" || fail "${1##*/}: the old partitions stay"
	[[ ! -e $TMP/expected ]] || same "partitions of ${1##*/}" "$(shown)" "$(<"$TMP/expected")"
	lo "$DEV" change-fd "r:$TMP/img"
	partition 2
}

# shown: number, start, size, UUID and name of each partition of $DEV.
shown()
{
	local dir

	for dir in "$SYS/loop$N"p*; do
		[[ -d $dir ]] || continue
		echo "$(<"$dir/partition") $(<"$dir/start") $(<"$dir/size") $(grep -h '^PART' "$dir/uevent" | sort | xargs)"
	done
}

# by_hand: what was changed by hand is as the table of $TMP/img says again with LOOP_CHANGE_FD.
by_hand()
{
	lo "$DEV" del-part 2
	events lo "$DEV" change-fd "r:$TMP/img"
	partition 2
	lo "$DEV" add-part 5 3M 64K
	events lo "$DEV" change-fd "r:$TMP/img"
	fails partition 5
}
