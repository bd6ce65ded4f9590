#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device that is detached during slow requests lets go of its file when they are done, and does not lose them, also when who asked for them is killed"

need_module dm_delay
nullb loopfail size=16
quick="0 32768 linear $NULLB 0"
dm loop-selftest "$quick"
lower=/dev/mapper/loop-selftest
attach_quietly $lower flags=$DIRECT_IO
# Only writes, since udev comes to read.
dm_table loop-selftest "0 32768 delay $NULLB 0 0 $NULLB 0 $((2000 * PATIENCE))"
loop_io -d "$DEV" fill 1 0 64K &
writer=$!
loop_io -d "$DEV" fill 2 1M 64K &
killed=$!
JOBS+=("$writer" "$killed")
poll 20 inflight 0 2 || fail "$(<"$SYS/inflight") requests are under way, expected 0 2"
kill -KILL "$killed"
lo "$DEV" clr-fd , get-status64 flags=$((AUTOCLEAR | DIRECT_IO))
loud
wait "$writer" || fail "the write failed"
poll 20 ended "$killed" || fail "who was killed does not end"
wait "$killed" 2>/dev/null || true
unbound "$DEV"
dm_table loop-selftest "$quick"
io $lower flush , check 1 0 64K , check 2 1M 64K , zero 2M 1M
