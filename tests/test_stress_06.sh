#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="losetup in four shells at once, with udev looking on: each gets a device of its own"

need losetup
one()
{
	local i dev

	for ((i = 0; i < 6; i++)); do
		dev=$(losetup --find --show "$TMP/img$1")
		io "$dev" fill "$1" 0 64K , fsync , check "$1" 0 64K
		losetup -d "$dev"
		unbound_from "$dev" "$TMP/img$1"
	done
}

has_let_go()
{
	local file

	file=$(cat "/sys/block/${1#/dev/}/loop/backing_file") || return 0
	[[ $file != "$2" ]]
}

# The device may have been given to someone else already.
unbound_from()
{
	poll 15 has_let_go "$@"
}

PIDS=()
for k in 1 2 3 4; do
	img 64K "img$k"
	one $k &
	PIDS+=($!)
done
for pid in "${PIDS[@]}"; do
	wait "$pid"
done
for k in 1 2 3 4; do
	io "$TMP/img$k" check $k 0 64K
done
