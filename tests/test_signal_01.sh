#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="One who waits for a device whose backing hangs can be killed"

held
for op in get-status64 set-status64 set-capacity "set-dio 1" clr-fd \
	"set-block-size 512"; do
	# shellcheck disable=SC2086
	loop_ioctl fd:7 $op &
	pid=$!
	sleep 0.2
	! ended $pid || fail "$op did not wait"
	kill -KILL $pid
	poll 10 ended $pid || fail "$op cannot be killed"
	wait $pid 2>/dev/null || true
done
fuse release
wait "$HOLDER"
exec 7>&-
lo "$DEV" get-status64 offset=0
detach
