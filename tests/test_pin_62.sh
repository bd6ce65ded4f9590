#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="Who fills holes can be killed; the device goes on in the ordinary way, and what is left is filled the next time"

. ./fill_common.sh

for type in "${PINNABLE[@]}"; do
	slow_fs "$type"
	sparse_img 96M
	filling OK
	kill -KILL "$FILLER"
	poll 10 ended "$FILLER" || fail "it cannot be killed"
	wait "$FILLER" 2>/dev/null || true
	given_up EINTR
	disk quick
	blocks=$(stat -c %b "$IMG")
	((blocks < 196000)) || fail "it was filled"
	io -d "$DEV" check 1 0 1M , fill 2 1M 64K , discard 2M 64K
	io "$IMG" fill 3 3M 64K , fsync
	pin fill
	io -d "$DEV" check 2 1M 64K , check 3 3M 64K , zero 4M 92M
	detach
	umounted "$FS"
done
