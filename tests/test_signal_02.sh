#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Who waits for a device is not disturbed by signals that he handles"

held
WAITERS=()
for op in get-status64 "set-status64 offset=4096" "set-dio 1" set-capacity "open r"; do
	device=fd:7
	[[ $op != open* ]] || device=$DEV
	# shellcheck disable=SC2086
	loop_ioctl $device catch , $op >/dev/null &
	WAITERS+=($!)
	JOBS+=($!)
done
loop_ioctl $CONTROL catch , remove "$N" =EBUSY &
WAITERS+=($!)
JOBS+=($!)
sleep 1
for _ in 1 2 3; do
	for pid in "${WAITERS[@]}"; do
		kill -USR1 "$pid" || fail "$pid did not wait"
	done
	sleep 0.2
done
# Those who do not need this device go on. It is not free, though hidden to
# those who would be told of it.
timeout 20 loop_ioctl $CONTROL get-free >"$TMP/free"
[[ $(<"$TMP/free") != "$N" ]] || fail "loop$N is said to be free"
timeout 20 cat "$SYS/loop/backing_file" >/dev/null
fuse release
for pid in "$HOLDER" "${WAITERS[@]}"; do
	wait "$pid" || fail "one who waited was disturbed"
done
exec 7>&-
lo "$DEV" get-status64 offset=4096 flags=$DIRECT_IO
detach
