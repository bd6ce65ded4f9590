#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="An image with a partition table and FAT of 512-byte sectors is used with direct I/O on a disk with 4096-byte sectors, partitions that begin anywhere included"

need sfdisk mkfs.vfat fsck.vfat mkfs.ext4
need_module vfat
nullb looprmw size=320 blocksize=4096
LOOP_SCRATCH_DEV=$NULLB
fs ext4
img 96M "$FS/img"
# The second one begins in the middle of a block.
sfdisk -q "$IMG" <<-END
	label: gpt
	start=2048, size=65536, type=U
	start=67585, size=65536, type=L
END
attach_quietly "$IMG" block_size=512 flags=$((DIRECT_IO | PARTSCAN))
in_blocks
poll 10 test -b "${DEV}p2" || fail "no partitions"
sfdisk -q --verify "$DEV"
sfdisk -q --no-reread --no-tell-kernel --force "$DEV" -N 1 <<<"type=L"
mkfs.vfat -S 512 "${DEV}p1" >/dev/null
mkfs.ext4 -q -F -b 1024 "${DEV}p2"
mkdir "$TMP/fat" "$TMP/ext4"
mounted "${DEV}p1" "$TMP/fat"
mounted "${DEV}p2" "$TMP/ext4"
for i in 1 2 3; do
	: >"$TMP/fat/$i"
	: >"$TMP/ext4/$i"
	io "$TMP/fat/$i" fill "$i" 0 1M , fsync &
	io "$TMP/ext4/$i" fill "$i" 0 2M , fsync &
done
wait
for i in {1..200}; do
	echo "$i" >"$TMP/fat/small$i"
	echo "$i" >"$TMP/ext4/small$i"
done
sync
umounted "$TMP/fat"
umounted "$TMP/ext4"
fsck.vfat -n "${DEV}p1" >/dev/null || fail "FAT is not in order"
e2fsck -fn "${DEV}p2" >/dev/null 2>&1 || fail "ext4 is not in order"
detach
# Buffered, the same is there.
attach_quietly "$IMG" flags=$PARTSCAN
poll 10 test -b "${DEV}p2" || fail "no partitions"
mounted -o ro "${DEV}p1" "$TMP/fat"
mounted -o ro "${DEV}p2" "$TMP/ext4"
for i in 1 2 3; do
	io "$TMP/fat/$i" check "$i" 0 1M
	io "$TMP/ext4/$i" check "$i" 0 2M
done
for i in {1..200}; do
	same "file $i" "$(<"$TMP/fat/small$i") $(<"$TMP/ext4/small$i")" "$i $i"
done
umounted "$TMP/fat"
umounted "$TMP/ext4"
detach
