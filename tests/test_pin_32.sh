#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="Each piece of a write with FUA is one below, where the disk has that"
# Else a flush follows it; a disk without a cache gets neither.

need python3
need_module dm_log_writes

# logged LOG: what it says between two marks, in sectors. What was not flushed is not in it. Writes without FUA are
# left out: the filesystem may write something by itself; what is missing then shows.
logged()
{
	python3 - "$1" <<-'PYTHON'
		import struct, sys
		disk = open(sys.argv[1], "rb")
		entries, size = struct.unpack("<QI", disk.read(28)[16:])
		at, on, seen = size, False, []
		for _ in range(entries):
		    disk.seek(at)
		    _, sectors, flags, _ = struct.unpack("<QQQQ", disk.read(32))
		    at += size + (0 if flags & 4 else sectors * 512)
		    if flags & 8:
		        on = not on
		    elif on and (flags & 2 or not sectors):
		        what = "fua" if sectors else "flush"
		        if not seen or seen[-1][0] != what:
		            seen.append([what, 0])
		        seen[-1][1] += sectors
		print(*(f"{what} {sectors}" for what, sectors in seen))
	PYTHON
}

# pieces DEVICE: $DEV is pinned on a file in many extents there, and nothing else writes, but for the times of the
# file, which have no flush or FUA of their own.
pieces()
{
	LOOP_SCRATCH_DEV=$1 fs ext4 64
	mount -o remount,noinit_itable,nobarrier "$FS"
	fragmented_img 2M
	io "$IMG" fill 1 0 2M , fsync
	attach "$IMG" flags=$DIRECT_IO
	pin 1
	sync -f "$FS"
}

nullb looppin size=64 cache_size=1
disk=$NULLB
nullb looplog size=128
dm loop-selftest "0 131072 log-writes $disk $NULLB"
pieces /dev/mapper/loop-selftest
limit fua 1
dmsetup message loop-selftest 0 mark begin
io -d -s "$DEV" write 1M 64K
dmsetup message loop-selftest 0 mark end
detach
umounted "$FS"
# This waits for the log to be written.
dmsetup remove loop-selftest
DMS=()
# The flush is one that the kernel adds to any synchronous write.
same "what the disk got" "$(logged "$NULLB")" "fua 128 flush 0"

for cache in 1 0; do
	nullb looppin$cache size=64 cache_size=$cache fua=0
	pieces "$NULLB"
	limit fua $((!cache))
	stat=/sys/block/${NULLB#/dev/}/stat
	before=$(awk '{ print $16 }' "$stat")
	io -d -s "$DEV" write 1M 64K
	same "flushes" $(($(awk '{ print $16 }' "$stat") - before)) $((cache * 2))
	detach
	umounted "$FS"
done
