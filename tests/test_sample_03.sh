#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./sample_common.sh

DESCRIPTION="The second file serves what the first one cannot; a write that either file fails fails, and is logged"

two_images 2M "$TMP"
mirrored "$A" "$B"
io -d $MIRROR fill 1 0 2M , fsync
# It ends within a read, and before one.
truncate -s 1028K "$A"
io -d $MIRROR check 1 960K 128K , check 1 1536K 512K , check 1 0 2M
# It gets no hole that would be read as zeroes.
io -d $MIRROR write 1536K 4096 =EIO , check 1 0 2M
# Both end.
truncate -s 1M "$B"
io -d $MIRROR check 1 0 1M , read 1536K 64K =EIO
mirror_gone

two_disks
mirrored "$A" "$B"
io -d $MIRROR fill 1 0 8M , fsync
for leg in a b; do
	# Nothing is cached below.
	blockdev --flushbufs "$A"
	blockdev --flushbufs "$B"
	breaks $leg
	io -d $MIRROR check 1 0 1M
	io $MIRROR write 8M 4096 , fsync =EIO
	mends $leg
	io -d $MIRROR check 1 1M 7M , fill 1 8M 64K , fsync , check 1 8M 64K
done
blockdev --flushbufs "$A"
blockdev --flushbufs "$B"
breaks a
breaks b
io -d $MIRROR read 2M 4096 =EIO
mends a
mends b
io -d $MIRROR check 1 2M 4M
mirror_gone
for file in "$A" "$B"; do
	log=$(dmesg | sed -n "/$MARK/,\$p" | grep "mirror0: $file: .* failed")
	same "the number of messages about $file" "$(wc -l <<<"$log")" 1
done

# A file that has no room.
for full in a b; do
	mkdir "$TMP/small"
	mounted -t tmpfs -o size=1m none "$TMP/small"
	two_images 4M "$TMP"
	rm "$TMP/$full"
	img 4M "$TMP/small/$full"
	declare "${full^^}=$IMG"
	mirrored "$A" "$B"
	io -d $MIRROR fill 2 0 512K , fill 2 1M 3M =ENOSPC , check 2 0 512K
	mirror_gone
	umounted "$TMP/small"
	rmdir "$TMP/small"
done
