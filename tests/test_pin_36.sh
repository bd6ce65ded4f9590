#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="the blocks of the file stay"
DESCRIPTION="Attributes, links and odd ioctls of a pinned file, on each filesystem: whether they are refused or not, it keeps its blocks, and what is written to the device meanwhile gets there"

need chattr xfs_io filefrag
SWAP_BOOT=$((0x6611))

# stays WHAT: the file has its blocks, and the device its content.
stays()
{
	same "blocks after $1" "$(blocks_of "$IMG")" "$before"
	is_pinned 1
	io -d "$DEV" check 2 0 64K , check 1 64K 960K
}

for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 1M copy
	pinned_img 1M
	before=$(blocks_of "$IMG")
	io -d "$DEV" fill 2 0 64K
	for flag in a A c C d D e i j m s S t u x F P; do
		for sign in + -; do
			chattr $sign$flag "$IMG" 2>/dev/null || true
			stays "chattr $sign$flag on $type"
		done
	done
	# As it was made.
	[[ $type == btrfs ]] || chattr -C "$IMG" 2>/dev/null || true
	io -d "$DEV" fill 2 0 64K , fsync
	loop_ioctl "$IMG" ioctl $SWAP_BOOT 0 =ANY
	stays "EXT4_IOC_SWAP_BOOT on $type"
	for command in "zero 64k 64k" "resvsp 0 64k" "unresvsp 64k 64k" "allocsp 4096 0" "finsert 64k 64k" \
		"fcollapse 64k 64k" "fpunch 64k 64k" "funshare 64k 64k" "extsize 64k" "cowextsize 64k" \
		"reflink $FS/copy 0 64k 64k" "dedupe $FS/copy 64k 64k 64k" "copy_range -s 0 -d 64k -l 64k $FS/copy" \
		"chattr +rx" "chattr -rx" "truncate 4096"; do
		xfs_io -c "$command" "$IMG" >"$TMP/log" 2>&1 || true
		stays "xfs_io $command on $type"
	done
	for command in "reflink $IMG 64k 0 64k" "dedupe $IMG 64k 64k 64k"; do
		xfs_io -c "$command" "$FS/copy" >"$TMP/log" 2>&1 || true
		stays "$command to another file on $type"
	done
	fails dd if=/dev/zero of="$IMG" bs=4096 count=1
	fails dd if=/dev/zero of="$IMG" bs=4096 count=1 conv=notrunc
	fails eval ": >'$IMG'"
	fails eval "echo >>'$IMG'"
	# Another name can be given to it, and not be taken away.
	ln "$IMG" "$FS/link"
	fails rm -f "$FS/link"
	fails mv "$FS/link" "$FS/copy"
	setfattr -n user.test -v "$(printf '%1000s' x)" "$IMG" || true
	setfattr -x user.test "$IMG" || true
	chown 1:1 "$IMG"
	touch -d yesterday "$IMG"
	stays "links and ownership on $type"
	io "$FS/copy" check 1 0 1M
	unpin
	# These would have done something.
	rm "$FS/link"
	[[ $type != ext4 ]] || lo "$IMG" ioctl $SWAP_BOOT 0
	[[ $type != xfs ]] || xfs_io -c "reflink $FS/copy 0 64k 64k" "$IMG" >/dev/null
	[[ $type == btrfs ]] || [[ $(blocks_of "$IMG") != "$before" ]] ||
		xfs_io -c "fpunch 64k 64k" "$IMG"
	detach
	umounted "$FS"
done
