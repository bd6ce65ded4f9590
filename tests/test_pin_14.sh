#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="A flush is one of the disk below, and so is FUA; a disk without a cache gets none"

flushes()
{
	awk '{ print $16 }' "/sys/block/${NULLB#/dev/}/stat"
}

for cache in 0 1; do
	nullb looppin$cache size=64 cache_size=$cache
	LOOP_SCRATCH_DEV=$NULLB fs ext4 64
	pinned_img 1M
	limit write_cache "write back"
	limit fua 1
	# Nothing but the device is used from here on.
	sync -f "$FS"
	before=$(flushes)
	for i in 1 2 3 4 5 6 7 8; do
		io -d "$DEV" write 0 4K , fsync
	done
	after=$(($(flushes) - before))
	((cache ? after >= 8 : after == 0)) || fail "$after flushes with a cache of $cache"
	unpin
	limit write_cache "write back"
	limit fua 0
	detach
	umounted "$FS"
done
