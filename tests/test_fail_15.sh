#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Writes that wait for the backing filesystem's thaw do not stop reads of the same cgroup"

in_root() { "$@"; }

in_a() { in_cgroup a "$@"; }

cgroup a
fs ext4
img 16M "$FS/img"
io "$IMG" fill 1 0 16M , fsync
attach_quietly "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	for group in root a; do
		io "$DEV" fill 1 0 8M , flush
		io "$IMG" drop
		frozen "$FS"
		pids=()
		for i in {0..7}; do
			in_$group loop_io -d "$DEV" fill 2 "${i}M" 64K &
			pids+=($!)
		done
		JOBS+=("${pids[@]}")
		poll 20 inflight 0 8 || fail "the writes do not wait"
		in_$group loop_io -d "$DEV" check 1 8M 8M &
		reader=$!
		pids+=("$reader")
		JOBS+=("$reader")
		rc=0
		poll 10 ended $reader || rc=1
		inflight 0 8 || ((rc)) || rc=2
		thawed
		for pid in "${pids[@]}"; do
			wait "$pid" || fail "I/O failed"
		done
		((rc != 1)) || fail "reads wait for writes"
		((rc == 0)) || fail "a write went through"
		io -d "$DEV" check 2 0 64K , check 2 7M 64K
	done
done
detach
