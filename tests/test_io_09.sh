#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O on a block device that the block layer splits, with few requests, and while the queue is being frozen again and again"

nullb loopio size=64
attach "$NULLB" flags=$DIRECT_IO
io -d "$DEV" fill 1 0 16M

# split: several readers and writers whose requests are split into many.
split()
{
	local i pids=()

	for i in 1 2 3 4; do
		loop_io -d -b 1M "$DEV" check 1 0 8M &
		pids+=($!)
		loop_io -d -b 1M "$DEV" fill 1 $((8 + 2 * (i - 1)))M 2M &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		JOBS+=("$i")
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "I/O failed"
	done
}

max=$(<"$SYS/queue/max_sectors_kb")
echo 4 >"$SYS/queue/max_sectors_kb"
split
# A request can be split into more than there are.
old=$(<"$SYS/queue/nr_requests")
if echo 4 2>/dev/null >"$SYS/queue/nr_requests"; then
	split
	echo "$old" >"$SYS/queue/nr_requests"
fi
frozen_again()
{
	while :; do
		loop_ioctl "$DEV" set-dio 0 , set-dio 1 , set-status64 keep || return 0
	done >/dev/null 2>&1
}
frozen_again &
freezer=$!
JOBS+=("$freezer")
split
split
kill "$freezer"
wait "$freezer" 2>/dev/null || true
lo "$DEV" set-dio 1 =ANY >/dev/null
io -d "$DEV" check 1 0 16M
# It is the device's for life.
echo "$max" >"$SYS/queue/max_sectors_kb"
detach
