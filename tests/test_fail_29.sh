#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Nor does LOOP_SET_STATUS take one of the device's own page cache from who syncs the filesystem there"

# kept COMMAND...: metadata of a filesystem on the device cannot be written. The command, which writes it, leaves
# that to be told.
kept()
{
	# The blocks of the file stay where they are.
	case $type in
	ext2) mkfs.ext2 -q -E nodiscard "$DEV" ;;
	vfat) mkfs.vfat "$DEV" >/dev/null ;;
	esac
	mounted -t $type "$DEV" "$TMP/inner"
	: >"$TMP/inner/file"
	data_fails
	"$@"
	data_works
	fails sync -f "$TMP/inner"
	sync -f "$TMP/inner"
	umounted "$TMP/inner"
	# Who opens the device next would be told, too.
	io "$DEV" fsync =ANY >/dev/null
}

need mkfs.ext2 mkfs.vfat
need_module vfat
failing_img 2M
mkdir "$TMP/inner"
for type in ext2 vfat; do
	grep -qw $type /proc/filesystems || continue
	attach_quietly "$IMG" flags=$DIRECT_IO
	kept lo "$DEV" set-status64 sizelimit=2M
	kept lo "$DEV" set-status64 sizelimit=0
	# This looks for partitions.
	kept lo "$DEV" set-status64 flags=$PARTSCAN
	detach
done
