#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Writes of a cgroup that wait, for a thaw or by its limit, stop neither other cgroups' I/O nor flushes, and those that its limit holds back stop no reads of its own"

# goes_on WHAT CGROUP OPERATION...: it ends although eight writes of a wait.
goes_on()
{
	local pid

	[[ ! $failed ]] || return 0
	in_cgroup "$2" loop_io -d "$DEV" "${@:3}" &
	pid=$!
	pids+=("$pid")
	JOBS+=("$pid")
	poll 10 ended $pid || failed="$1 waits for writes of a"
	inflight 0 8 || failed=${failed:-"$1 let a write through"}
}

# waiting: eight writes of a into holes wait.
waiting()
{
	local i

	failed=
	pids=()
	for i in {0..7}; do
		in_cgroup a loop_io -d "$DEV" fill 2 "${i}M" 64K &
		pids+=($!)
	done
	JOBS+=("${pids[@]}")
	poll 20 inflight 0 8 || fail "the writes do not wait"
}

# They are done.
done_waiting()
{
	local pid

	for pid in "${pids[@]}"; do
		wait "$pid" || fail "I/O failed"
	done
	[[ ! $failed ]] || fail "$failed"
	io -d "$DEV" check 2 0 64K , check 2 7M 64K , zero 64K 64K
}

# sparse: the file's first half is a hole, and none of it is in a page cache.
sparse()
{
	io "$IMG" fallocate 3 0 8M , drop
	io "$DEV" flush
}

cgroup a b
LOOP_SCRATCH_DEV=''
fs ext4
img 16M "$FS/img"
io "$IMG" fill 1 8M 8M , fsync
attach_quietly "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	sparse
	frozen "$FS"
	waiting
	goes_on "a read of b" b check 1 8M 2M , zero 512K 64K
	goes_on "a flush of b" b fsync
	goes_on "a flush of a" a fsync
	thawed
	done_waiting
done
sparse
io_limit a "$NULLB" wbps=1
waiting
goes_on "a read of a" a check 1 12M 1M , zero 512K 64K
goes_on "a flush of a" a fsync
goes_on "I/O of b" b check 1 13M 1M , fill 3 5632K 64K , check 3 5632K 64K , fsync
io_limit a "$NULLB" wbps=max
done_waiting
detach
