#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./sample_common.sh

DESCRIPTION="A flush of a mirror reaches the disks of both files, and fails if either of them cannot write"

# flushes DISK: an fsync of the mirror flushes it.
flushes()
{
	requests "$1" io -d $MIRROR write 0 4096 , fsync
	grep -q '^FF' <<<"$REQUESTS" || fail "no flush of $1: $REQUESTS"
	grep -q '^W[A-Z]* 4096 ' <<<"$REQUESTS" || fail "no write to $1: $REQUESTS"
}

two_disks
mirrored "$A" "$B"
same "the write cache" "$(sys queue/write_cache $MIRROR)" "write back"
same "FUA" "$(sys queue/fua $MIRROR)" 0
flushes "$DISK_A"
flushes "$DISK_B"
mirror_gone
# A file in a tmpfs keeps both from direct I/O. So the page cache of the device takes the write, and
# the flush is told that it is lost.
img 16M
for legs in "$A $IMG" "$IMG $A"; do
	# shellcheck disable=SC2086 # Two files.
	mirrored $legs
	breaks a
	io -d $MIRROR write 1M 4096 , fsync =EIO
	mends a
	io -d $MIRROR write 1M 4096 , fsync
	mirror_gone
done
