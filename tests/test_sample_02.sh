#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./sample_common.sh

DESCRIPTION="A file system on a mirror is whole in each of the two files alone"

need mkfs.ext4 fsck.ext4
fs ext4
two_images 64M "$FS"
mirrored "$A" "$B"
mkfs.ext4 -q -F $MIRROR
mkdir "$TMP/mnt"
mounted -t ext4 $MIRROR "$TMP/mnt"
cp "$HERE"/test_*.sh "$TMP/mnt/"
: >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 8M , fsync
fio_verify "$TMP/mnt/fio" --direct=1 --fsync=64
# A module in use stays.
fails rmmod rust_mirror
umounted "$TMP/mnt"
mirror_gone
cmp "$A" "$B" || fail "the files differ"
for image in "$A" "$B"; do
	fsck.ext4 -f -n "$image" >"$TMP/fsck" || fail "$(<"$TMP/fsck")"
	attach "$image"
	mounted -t ext4 -o ro "$DEV" "$TMP/mnt"
	io "$TMP/mnt/data" check 1 0 8M
	for file in "$HERE"/test_*.sh; do
		cmp "$file" "$TMP/mnt/${file##*/}" || fail "${file##*/} differs"
	done
	umounted "$TMP/mnt"
	detach
done
rm "$A" "$B"
umounted "$FS"
