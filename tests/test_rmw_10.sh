#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="512-byte sectors of a device that is pinned to a file on a disk with 4096-byte sectors: what was written is there, also while it is pinned and let go"

# switched: $DEV is pinned and let go again until "$TMP/switch" is gone.
switched()
{
	while [[ -e $TMP/switch ]]; do
		loop_io "$SYS/loop/pinned" put 1 put 0 >"$TMP/switched" 2>&1 || true
		sleep 0.1
	done
}

has_pinned || skip "no pinned mode"
nullb looprmw size=320 blocksize=4096 discard=1 submit_queues=2
LOOP_SCRATCH_DEV=$NULLB
for type in ext4 xfs; do
	fs $type
	written_img 8M
	for limit in 0 $(((4 << 20) + 512 * 5)); do
		attach "$IMG" block_size=512 flags=$DIRECT_IO sizelimit="$limit"
		in_blocks
		io -d "$IMG" fill 7 4M 4M , fsync
		pin 1
		limit logical_block_size 512
		loop_rmw -p 6 -n 200 -f "$IMG:0" "$DEV" 0 64K
		loop_rmw -o -p 4 -n 100 -r 2 -f "$IMG:0" "$DEV" 0 64K
		loop_rmw -p 6 -n 100 -r 3 -f "$IMG:0" "$DEV" 1536 2M
		((limit)) || loop_rmw -p 6 -n 100 -r 4 -f "$IMG:0" "$DEV" $(((8 << 20) - 32768)) 32K
		((!limit)) || loop_rmw -p 6 -n 100 -r 4 -f "$IMG:0" "$DEV" $((limit - 32768 - 512 * 5)) $((32768 + 512 * 5))
		io -d -b 512 "$DEV" zeroout 512 64K , zero 512 64K
		unpin
		: >"$TMP/switch"
		background switched
		# Writes only: a discard meets a disk that does not make zeroes, now and then, and leaves what is there.
		loop_rmw -o -p 6 -n 200 -r 5 -f "$IMG:0" "$DEV" 0 256K
		rm "$TMP/switch"
		wait "${JOBS[-1]}"
		detach
		# What lies behind the device was not touched.
		io "$IMG" drop
		((!limit)) || io "$IMG" check 7 $((limit & ~4095 | 2560)) 1536 , check 7 $(((limit | 4095) + 1)) 1M
	done
	umounted "$FS"
done

# A disk that makes zeroes by itself.
scsi_disk dev_size_mb=64 sector_size=4096 delay=0 lbpws=1 lbprz=1
LOOP_SCRATCH_DEV=$SCSI_DISK fs ext4 60
written_img 4M
attach_quietly "$IMG" block_size=512 flags=$DIRECT_IO
pin 1
(($(sys queue/discard_max_bytes) > 0)) || fail "no discards"
io -d -b 512 "$DEV" discard 512 64K , zero 512 64K , check 1 0 512 , check 1 66048 64K
io -d -b 512 "$DEV" discard 1M 512 , zero 1M 512 , check 1 1049088 64K
io -d -b 512 "$DEV" zeroout 2560 512 , zero 2560 512
loop_rmw -p 6 -n 200 -f "$IMG:0" "$DEV" 0 256K
detach
umounted "$FS"
scsi_disk_gone
