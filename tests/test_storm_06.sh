#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Twenty devices on top of each other keep data while each of them is reconfigured"

reconfigure()
{
	local i=$1

	while :; do
		# The lowest one is the last, so that its file is direct or not, too.
		lo "${devices[i++ % ${#devices[@]}]}" \
			set-dio 1 =ANY , set-block-size 4096 =ANY , set-capacity =ANY , \
			set-status64 keep file_name="$i" =ANY , \
			set-dio 0 =ANY , set-block-size 512 =ANY >/dev/null
	done
}
nested()
{
	local jobs=() round k

	img 1M nested
	attach "$IMG"
	devices=("$DEV")
	while ((${#devices[@]} < 20)); do
		attach "$DEV" flags=$((${#devices[@]} % 2 * DIRECT_IO))
		devices=("$DEV" "${devices[@]}")
	done
	for k in 0 7 14; do
		reconfigure $k &
		jobs+=($!)
	done
	JOBS+=("${jobs[@]}")
	for round in 1 2 3; do
		io -d "$DEV" fill $round 0 1M 64K , check $round 0 1M 64K
		io "$DEV" fill $((round + 3)) 0 1M 64K , fsync , check $((round + 3)) 0 1M 64K
	done
	kill "${jobs[@]}"
	wait "${jobs[@]}" || true
	io "$DEV" check 6 0 1M 64K , fsync
	detach_dev "${devices[@]}"
	io "$IMG" check 6 0 1M 64K
}
without_leaks nested
