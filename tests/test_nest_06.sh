#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Files in filesystems on loop devices on files in filesystems on loop devices, direct and not"

need mkfs.ext4 fsck.ext4
fs xfs 320
file=$FS/img
devices=()
dirs=()
for size in 128 80 48 24; do
	img ${size}M "$file"
	attach "$IMG" flags=$((size % 3 ? 0 : DIRECT_IO))
	devices=("$DEV" "${devices[@]}")
	mkfs.ext4 -q -F "$DEV"
	dir=$TMP/$size
	mkdir "$dir"
	mounted -t ext4 "$DEV" "$dir"
	dirs=("$dir" "${dirs[@]}")
	file=$dir/img
done
: >"$file"
io "$file" truncate 8M
fio_verify "$file" --direct=0 --size=8m --fsync=64
fio_verify "$file" --direct=1 --size=8m
io "$file" fill 1 0 8M , drop , check 1 0 8M
# Top down, each of them is whole.
for i in "${!devices[@]}"; do
	umounted "${dirs[i]}"
	fsck.ext4 -f -n "${devices[i]}" >"$TMP/fsck" 2>&1 ||
		fail "${devices[i]}: $(<"$TMP/fsck")"
	detach_dev "${devices[i]}"
done
