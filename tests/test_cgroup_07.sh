#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A read or a flush that hangs in a cgroup holds no other cgroup up"

SECTORS=131072
DELAY=$((60000 * PATIENCE))
# What is done while something hangs is done in a place of its own.
AT=2

in_b() { in_cgroup b "$@"; }

in_root() { "$@"; }

# busy: the disk delays something.
busy()
{
	dmsetup status loop-selftest |
		awk '$3 == "delay" && $4 + $6 { found = 1 } END { exit !found }'
}

# hangs TABLE CGROUPS OPERATION...: a does this, with that table of the disk, and the others read
# and write.
hangs()
{
	local pid hung pids=() failed='' group

	io "$DEV" drop
	io "$IMG" drop
	dm_table loop-selftest "$1"
	in_cgroup a loop_io -d "$DEV" "${@:3}" &
	hung=$!
	JOBS+=("$hung")
	poll 20 busy || failed="nothing arrives at the disk"
	for group in $2; do
		"in_$group" loop_io -d "$DEV" check 1 "${AT}M" 64K , \
			fill 2 "${AT}M" 64K , check 2 "${AT}M" 64K &
		pid=$!
		pids+=("$pid")
		JOBS+=("$pid")
		AT=$((AT + 1))
		poll 10 ended $pid || failed=${failed:-$3 of a holds $group up}
	done
	! ended $hung || failed=${failed:-$3 did not hang}
	dm_table loop-selftest "$linear"
	[[ ! $failed ]] || fail "$failed"
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "I/O failed"
	done
	wait $hung || fail "$3 failed"
}

need filefrag
cgroup a b
fs_without_flushes
linear="0 131072 linear $NULLB 0"
img 16M "$FS/img"
io "$IMG" fill 1 0 16M , fsync
attach_quietly "$IMG"
# Where the first 64K are.
start=$(blocks_of "$IMG" | awk '$1 == "0.." { print $3 + 0 }')
slow_read="0 $start linear $NULLB 0
$start 128 delay $NULLB $start $DELAY $NULLB $start 0
$((start + 128)) $((SECTORS - start - 128)) linear $NULLB $((start + 128))"
slow_flush="0 $SECTORS delay $NULLB 0 0 $NULLB 0 0 $NULLB 0 $DELAY"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	hangs "$slow_read" "b root" read 0 4096
	hangs "$slow_flush" b fsync
done
detach
umounted "$FS"
