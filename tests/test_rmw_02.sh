#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="512-byte sectors of a device on a file of a disk with 4096-byte sectors, also at the end of a file that does not end with a block: what was written is there, and the file is as long as before"

nullb looprmw size=320 blocksize=4096 submit_queues=2
LOOP_SCRATCH_DEV=$NULLB
for type in ext4 xfs btrfs; do
	fs $type
	# Sparse at first.
	img $(((8 << 20) + 512 * 5)) "$FS/img"
	attach "$IMG" block_size=512 flags=$DIRECT_IO
	# btrfs does not say what it takes, and writes the rest through its page cache.
	[[ $type == btrfs ]] || in_blocks
	loop_rmw -p 6 -n 200 -f "$IMG:0" "$DEV" 0 64K
	loop_rmw -p 6 -n 200 -r 2 -f "$IMG:0" "$DEV" $(((8 << 20) - 65536)) $((65536 + 5 * 512))
	loop_rmw -p 6 -n 100 -r 3 -f "$IMG:0" "$DEV" 1536 8M
	detach
	same "size on $type" "$(stat -c %s "$IMG")" $(((8 << 20) + 512 * 5))
	rm "$IMG"
	umounted "$FS"
done
