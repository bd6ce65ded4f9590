#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While a write waits for a thaw, whoever changes the device waits as well, can be killed, and keeps nobody from opening and reading it"

fs ext4
written_img 2M
for change in "set-status64 keep offset=4K" "set-dio 1" "set-block-size 4096"; do
	attach_quietly "$IMG"
	frozen "$FS"
	background loop_io -d "$DEV" fill 2 0 64K
	writer=${JOBS[-1]}
	sleep 0.5
	! ended "$writer" || fail "a write went through"
	# shellcheck disable=SC2086
	background loop_ioctl "$DEV" $change
	changer=${JOBS[-1]}
	sleep 1
	for _ in 1 2 3; do
		soon loop_io -d "$DEV" check 1 64K 128K
		sleep 0.3
	done
	! ended "$changer" || fail "$change did not wait for the write"
	kill -9 "$changer"
	poll 5 ended "$changer" || fail "$change cannot be killed"
	thawed
	wait "$writer" || fail "the write failed"
	wait "$changer" 2>/dev/null || true
	# shellcheck disable=SC2086
	lo "$DEV" $change
	detach
	io "$IMG" check 2 0 64K , fill 1 0 64K , fsync
done
umounted "$FS"
