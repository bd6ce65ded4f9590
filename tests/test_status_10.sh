#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While tasks keep a slow disk busy for seconds, the device can be changed"

# 24 MiB in flight take three seconds.
nullb loopslow size=64 mbps=8
attach "$NULLB"
lo "$DEV" set-dio 1
writers=()
for i in {0..23}; do
	background dd if=/dev/zero of="$DEV" bs=1M oflag=direct seek="$i" count=40 status=none conv=notrunc,nocreat
	writers+=("${JOBS[-1]}")
done
busy()
{
	local writes

	read -r _ writes <"$SYS/inflight"
	((writes >= 20))
}
poll 20 busy || fail "the disk is not busy"
for change in "set-status64 keep offset=1M" "set-dio 0"; do
	# shellcheck disable=SC2086
	background loop_ioctl "$DEV" $change
	changer=${JOBS[-1]}
	poll 30 ended "$changer" || fail "$change does not end"
	wait "$changer" || fail "$change failed"
done
kill "${writers[@]}" 2>/dev/null || true
wait "${writers[@]}" 2>/dev/null || true
detach
