#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where the file ends within a block, since somebody has made it shorter, reads and writes of that block end with an error, and the device can be detached"

nullb looprmw size=320 blocksize=4096
LOOP_SCRATCH_DEV=$NULLB
for type in ext4 xfs; do
	fs $type
	for cut in 1 511 512 513 4095; do
		img 0 "$FS/img"
		io "$IMG" fill 1 0 64K , fsync
		attach "$IMG" block_size=512 flags=$DIRECT_IO
		in_blocks
		truncate -s -$cut "$IMG"
		soon loop_io -d "$DEV" read 60K 4K =EIO
		soon loop_io -d -b 64K "$DEV" read 0 64K =EIO
		soon loop_io -d -b 512 "$DEV" read 65024 512 =EIO
		io -d "$DEV" check 1 0 60K
		detach
		rm "$IMG"
	done
	umounted "$FS"
done
