#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="The disk below is slow: requests of hundreds of extents are done when all of them are"
# Pinned mode is ended, and the device detached, while they are under way.

need_module dm_delay
nullb looppin size=64
quick="0 131072 delay $NULLB 0 0"
slow="0 131072 delay $NULLB 0 $((500 * PATIENCE))"
dm loop-selftest "$quick"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 64
fragmented_img 4M
io "$IMG" fill 1 0 4M , fsync
attach_quietly "$IMG" flags=$DIRECT_IO
pin 1

# slowly OPERATION...: begins one on a slow disk.
slowly()
{
	dm_table loop-selftest "$slow"
	background loop_io -d -b 1M "$DEV" "$@"
	poll 10 under_way || fail "it is not under way: $*"
}

under_way()
{
	! inflight 0 0
}

over()
{
	wait "${JOBS[-1]}"
	dm_table loop-selftest "$quick"
}

slowly fill 2 512 1M
io -d "$DEV" check 1 3M 4K
over
slowly check 2 512 1M
unpin
! under_way || fail "it is still under way"
over
pin 1
slowly fill 3 2M 1M
unpin
! under_way || fail "it is still under way"
over
pin 1
slowly fill 4 1M 1M
loud
lo "$DEV" clr-fd
over
unbound "$DEV"
io "$IMG" drop , check 1 0 512 , check 2 512 1048064 , check 4 1M 1M , check 3 2M 1M , check 1 3M 1M
umounted "$FS"
