#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Behind one who waits to open a device opening and closing it cannot be killed; he can be, and then they end"

# This process has the device open, which "held" attaches next, and closes it when it is killed.
new_dev
first=$DEV
sleep 1000 3<"$DEV" &
closer=$!
JOBS+=("$closer")
held
same "device" "$DEV" "$first"

# opens PID: it is in the block layer's open, and waits there.
opens()
{
	grep -q bdev_open "/proc/$1/stack" && grep -q '^State:.D' "/proc/$1/status"
}

pids=()
for _ in 1 2; do
	loop_ioctl "$DEV" open r 2>/dev/null &
	pids+=($!)
	JOBS+=($!)
	poll 20 opens $! || fail "who opens the device does not wait"
done
kill -KILL "${pids[1]}" "$closer"
sleep 0.5
! ended "${pids[1]}" || fail "who waits behind to open it can be killed"
! ended "$closer" || fail "who closes it can be killed"
kill -KILL "${pids[0]}"
for pid in "${pids[@]}" "$closer"; do
	poll 10 ended "$pid" || fail "$pid cannot be killed"
done
fuse release
wait "$HOLDER"
exec 7>&-
detach
