#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While requests hang and a file is to be filled, whoever opens the device or changes it does not wait, and the attempt ends soon when it is killed"

TOPIC="holes are filled"

. ./fill_common.sh

nullb looppin size=128
dm loop-selftest "0 262144 linear $NULLB 0"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 128
sparse_img 64M
background dmsetup suspend --nolockfs --noflush loop-selftest
wait "${JOBS[-1]}"
background loop_io -d "$DEV" read 0 4K
reader=${JOBS[-1]}
# Without a read in flight the queue can be frozen: then the fill begins, and hangs on the disk, where it cannot be killed.
poll 20 eval "! inflight 0 0" || fail "no read hangs"
background loop_io "$SYS/loop/pinned" put fill
filler=${JOBS[-1]}
# Not longer on a slow machine: tries of 400 ms end after half a minute.
sleep 8
! ended "$reader" || fail "nothing hangs"
# Each for less than a second, whatever has come before.
for _ in 1 2 3 4 5; do
	lo "$DEV" open r , get-status64
done
kill -9 "$filler"
poll $((2 * PATIENCE)) ended "$filler" || fail "the attempt goes on"
dmsetup resume loop-selftest
wait "$reader"
is_pinned 0
detach
umounted "$FS"
