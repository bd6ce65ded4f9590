#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="times of the file"
DESCRIPTION="Whose data was flushed on a pinned device, or written with FUA, does not have the times that were there before if the power goes then"

need mkfs.ext4

mtime()
{
	stat -c %.9Y "$IMG"
}

# cut [DIRECTORY]: the filesystem is mounted as it is on the disk; the one on the device is unmounted.
cut()
{
	io "$FS" shutdown
	[[ -z ${1:-} ]] || umounted "$1"
	detach
	umounted "$FS"
	mounted -t "$type" -o "$options" "$disk" "$FS"
}

# moved WHAT
moved()
{
	local now

	now=$(mtime)
	[[ $now != "$before" ]] || fail "$1: the file on $type ($options) is still of $now"
	((${now/./} > ${before/./})) || fail "$1: the file on $type ($options) of $before is one of $now"
}

for type in "${PINNABLE[@]}"; do
	for options in defaults lazytime; do
		fs "$type"
		disk=$(findmnt -n -o SOURCE "$FS")
		umounted "$FS"
		mounted -t "$type" -o "$options" "$disk" "$FS"
		pinned_img 16M
		touch -m -d 2001-01-01 "$IMG"
		sync -f "$FS"
		before=$(mtime)
		io -d "$DEV" fill 2 0 8K , fsync
		cut
		moved "one flush"
		io "$IMG" check 2 0 8K

		# One after the other, each of which somebody could have copied.
		attach "$IMG" flags=$DIRECT_IO
		pin 1
		for i in {1..20}; do
			before=$(mtime)
			io -d "$DEV" fill "$i" 0 4K , fsync
		done
		cut
		moved "the last of many flushes"
		io "$IMG" check 20 0 4K

		# Times that moved by themselves.
		attach "$IMG" flags=$DIRECT_IO
		pin 1
		before=$(mtime)
		io -d "$DEV" fill 3 0 4K
		sleep 1.5
		io -d "$DEV" fsync
		cut
		moved "a late flush"

		# A filesystem on the device, which has single writes put on the medium, by FUA.
		attach "$IMG" flags=$DIRECT_IO
		pin 1
		mkfs.ext4 -q -F "$DEV"
		mkdir -p "$TMP/inner"
		mounted -t ext4 "$DEV" "$TMP/inner"
		img 0 "$TMP/inner/file"
		IMG=$FS/img
		io "$TMP/inner/file" fill 1 0 64K , fsync
		sync -f "$TMP/inner"
		limit fua 1
		for i in {1..20}; do
			before=$(mtime)
			io -d -s "$TMP/inner/file" fill "$i" 0 4K
		done
		cut "$TMP/inner"
		moved "FUA"
		umounted "$FS"
	done
done
