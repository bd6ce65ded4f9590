#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="I/O that a task hands over in one go, out of its plug, gets through while the stack below is plugged, too, and has few tags"

need mkfs.xfs
mkdir "$TMP/inner"

# batches FILE: 32 I/Os at a time, which become one request or several, by either interface.
batches()
{
	local engine

	for engine in libaio io_uring; do
		fio_verify "$1" --ioengine=$engine --direct=1 --bs=4k-64k --size=16m --iodepth=64 \
			--iodepth_batch_submit=32 --iodepth_batch_complete_min=32
	done
}

# on_stack TABLE: a file of XFS on loop on XFS on a device with that table; a pinned file; and the device itself.
on_stack()
{
	local sum

	dm loop-stack "$1"
	LOOP_SCRATCH_DEV=/dev/mapper/loop-stack fs xfs 640
	img 320M "$FS/img"
	attach "$IMG" flags=$DIRECT_IO
	same "dio" "$(sys loop/dio)" 1
	mkfs.xfs -q -f -K "$DEV"
	mounted -t xfs "$DEV" "$TMP/inner"
	batches "$TMP/inner/file"
	sum=$(cksum <"$TMP/inner/file")
	umounted "$TMP/inner"
	detach
	# What is in the file, as the page cache has it.
	attach "$IMG"
	mounted -t xfs "$DEV" "$TMP/inner"
	same "what was written" "$(cksum <"$TMP/inner/file")" "$sum"
	umounted "$TMP/inner"
	detach
	if has_pinned; then
		written_img 32M pinned
		attach_quietly "$IMG" flags=$DIRECT_IO
		pin 1
		batches "$DEV"
		detach
	fi
	umounted "$FS"
	attach /dev/mapper/loop-stack flags=$DIRECT_IO
	batches "$DEV"
	detach
	dm_gone loop-stack
}

sectors=$((640 << 11))
few="size=640 submit_queues=1 hw_queue_depth=4 irqmode=2 completion_nsec=50000"
# shellcheck disable=SC2086 # Settings.
nullb loopone $few
disk=$NULLB
on_stack "0 $sectors linear $disk 0"
# Most I/Os are for both disks, and the one with few tags refuses its part.
nullb loopmany size=32
table=
for ((at = 0; at < 32 << 11; at += 128)); do
	printf -v table '%s%s\n%s\n' "$table" "$at 64 linear $NULLB $at" "$((at + 64)) 64 linear $disk $at"
done
dm loop-stack "$table"
attach /dev/mapper/loop-stack flags=$DIRECT_IO
batches "$DEV"
detach
dm_gone loop-stack
if modprobe -q dm_raid; then
	# It collects writes in the plug of who submits them.
	# shellcheck disable=SC2086 # Settings.
	nullb looptwo $few
	on_stack "0 $sectors raid raid1 2 0 nosync 2 - $disk - $NULLB"
else
	say "without RAID: no module dm_raid"
fi
