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

# long_img PARTS: IMG has a table of so many GPT partitions, of 64K from 1M on.
long_img()
{
	local i

	need sfdisk
	PARTS=$1
	img $((2 + PARTS / 16))M long
	{
		echo "label: gpt"
		for ((i = 0; i < PARTS; i++)); do
			echo "start=$((2048 + i * 128)), size=128"
		done
	} | sfdisk -q "$IMG"
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
