#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="An error of writeback that nobody was told of fails the next flush, and only that, whatever ioctls came in between"

need taskset
failing_img 1M
attach_quietly "$IMG"

# kept COMMAND...: the command leaves the error where it is.
kept()
{
	writeback_fails "$DEV"
	"$@"
	io "$DEV" fsync =EIO , fsync
}

kept true
kept lo "$DEV" set-status64 file_name=name
kept lo "$DEV" set-status64 offset=4096
kept lo "$DEV" set-status64 offset=0 , set-capacity
kept lo "$DEV" set-block-size 4096
kept io "$DEV" discard 512K 64K

# Of two flushes at once at least one is told. They may become one.
for _ in 1 2; do
	writeback_fails "$DEV"
	for cpu in 0 $(($(nproc) - 1)); do
		taskset -c $cpu loop_io "$DEV" fsync =ANY >"$TMP/flush$cpu" &
		JOBS+=($!)
		pids[cpu]=$!
	done
	wait "${pids[@]}"
	grep -q EIO "$TMP"/flush* || fail "no flush was told"
	io "$DEV" fsync
done
detach
