#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="While somebody else may write to the file no hole of it is filled, and what he writes stays"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	img 0 "$FS/img"
	[[ $type != btrfs ]] || chattr +C "$IMG"
	truncate -s 200M "$IMG"
	attach "$IMG" flags=$DIRECT_IO
	exec 7<>"$IMG"
	pin_fails EBUSY "in use" fill
	(($(stat -c %b "$IMG") == 0)) || fail "it was filled"
	exec 7>&-

	# Who comes later stops that, unless it is over.
	background loop_io "$SYS/loop/pinned" put fill =ANY
	poll 10 eval "((\$(stat -c %b '$IMG') > 0))" || fail "nothing is filled"
	if (exec 7<>"$IMG" && io "$IMG" fill 1 199M 1M =ANY && io "$IMG" check 1 199M 1M); then
		wait "${JOBS[-1]}"
		io "$IMG" check 1 199M 1M
	fi
	wait "${JOBS[-1]}"
	detach
	umounted "$FS"
done
