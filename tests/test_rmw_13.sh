#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A page of the disk below that was read while a direct write was on its way is not written back with the old data"

# Its blocks are smaller than a page, and a write takes a while.
nullb looprmw size=16 blocksize=1024
dm loop-selftest "0 32768 delay $NULLB 0 0 $NULLB 0 1000"
lower=$(readlink -f /dev/mapper/loop-selftest)
settle
# The last page has two blocks that end at the device, the second of them a half.
end=$((60 * 1024 + 1536))
attach_quietly "$lower" block_size=512 sizelimit=$end flags=$DIRECT_IO
! has_rmw || same "dio of $DEV" "$(sys loop/dio)" 1
io -d -b 512 "$DEV" fill 1 0 $end
# A write to what is cached goes by the disk's own way.
io "$lower" check 1 0 61K
background loop_io -d "$DEV" fill 2 60K 1K
until ended "${JOBS[-1]}"; do
	io "$lower" read 60K 1K
done
wait "${JOBS[-1]}"
io -d "$DEV" check 2 60K 1K
io -d -b 512 "$DEV" fill 3 61K 512 , fsync
io -d "$DEV" check 2 60K 1K
io -d -b 512 "$DEV" check 3 61K 512
io "$lower" drop , check 1 0 60K , check 2 60K 1K , check 3 61K 512
detach
