#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="While the filesystem is frozen writes wait and reads go on; the thaw lets them through"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	frozen "$FS"
	background loop_io -d "$DEV" fill 2 0 64K
	writer=${JOBS[-1]}
	background loop_io -d "$DEV" discard 512K 64K
	zeroer=${JOBS[-1]}
	sleep 0.5
	io -d "$DEV" check 1 64K 128K
	! ended "$writer" || fail "a write went through"
	! ended "$zeroer" || fail "a discard went through"
	io -d "$IMG" check 1 0 1M
	thawed
	wait "$writer"
	wait "$zeroer"
	io -d "$DEV" check 2 0 64K , zero 512K 64K
	detach
	umounted "$FS"
done
