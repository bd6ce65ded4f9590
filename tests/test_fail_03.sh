#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing device that hangs stops its own requests only"
# They fail when it is given up.

nullb loopfail size=16
dm loop-selftest "0 32768 linear $NULLB 0"
img 1M
attach "$IMG"
other=$DEV
attach_quietly /dev/mapper/loop-selftest flags=$DIRECT_IO
dmsetup suspend --nolockfs loop-selftest
pids=()
for i in 0 1 2 3; do
	loop_io -d "$DEV" read ${i}M 4096 =EIO &
	pids+=($!)
	loop_io -d "$DEV" write $((4 + i))M 64K =EIO &
	pids+=($!)
done
JOBS+=("${pids[@]}")
poll 20 inflight 4 4 || fail "$(<"$SYS/inflight") requests are under way, expected 4 4"

timeout 20 loop_io -d "$other" fill 1 0 64K , fsync , check 1 0 64K
timeout 20 loop_ioctl "$DEV" get-status64 offset=0
timeout 20 loop_ioctl $CONTROL get-free >"$TMP/free"
timeout 20 cat "$SYS/loop/backing_file" >"$TMP/name"
inflight 4 4 || fail "a request ended without its device"
dm_table loop-selftest "0 32768 error"
for pid in "${pids[@]}"; do
	wait "$pid" || fail "not the right error"
done
detach
detach_dev "$other"
