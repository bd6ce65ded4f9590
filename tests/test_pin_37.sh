#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="the blocks of the file stay"
DESCRIPTION="The filesystem is made larger, smaller, trimmed and scrubbed, and gets other disks: the pinned file keeps its blocks and its content"

need filefrag fstrim resize2fs xfs_growfs btrfs

# stays COMMAND...: it may be refused; the file has its blocks, and the device its content.
stays()
{
	"$@" >"$TMP/log" 2>&1 || true
	same "blocks after $*" "$(blocks_of "$IMG")" "$before"
	io -d "$DEV" check 2 0 64K , check 1 64K 960K
	is_pinned 1
}

grown()
{
	(($(stat -f -c %b "$FS") > blocks)) || fail "it has not grown: $(<"$TMP/log")"
}

nullb looppin size=400 discard=1
nullb loopother size=400
other=$NULLB
for type in "${PINNABLE[@]}"; do
	LOOP_SCRATCH_DEV=/dev/looppin fs "$type"
	pinned_img 1M
	before=$(blocks_of "$IMG")
	blocks=$(stat -f -c %b "$FS")
	io -d "$DEV" fill 2 0 64K
	stays fstrim "$FS"
	case $type in
	ext4)
		stays resize2fs /dev/looppin 399M
		grown
		stays resize2fs /dev/looppin 64M ;;
	xfs)
		stays xfs_growfs "$FS"
		grown
		stays xfs_growfs -D 82000 "$FS" ;;
	btrfs)
		stays btrfs filesystem resize max "$FS"
		grown
		stays btrfs filesystem resize 120M "$FS"
		stays btrfs scrub start -B "$FS"
		fails btrfs replace start -B -f 1 "$other" "$FS"
		btrfs -q device add -f "$other" "$FS"
		fails btrfs device remove /dev/looppin "$FS"
		stays btrfs balance start -dconvert=raid1 -mconvert=raid1 --force "$FS"
		stays btrfs balance start -dconvert=single -mconvert=single --force "$FS"
		btrfs -q device remove "$other" "$FS" ;;
	esac
	stays fstrim "$FS"
	detach
	io "$IMG" drop , check 2 0 64K , check 1 64K 960K
	umounted "$FS"
done
