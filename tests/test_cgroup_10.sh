#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A hundred cgroups write at about the same time: each write arrives"

# More than have queues of their own in the driver, fewer than requests can be under way.
COUNT=100

mapfile -t names < <(seq $COUNT)
cgroup "${names[@]}"
fs ext4
img 4M "$FS/img"
attach_quietly "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	frozen "$FS"
	pids=()
	for name in "${names[@]}"; do
		in_cgroup "$name" loop_io -d -b 4096 "$DEV" fill $dio "$((name * 4))K" 4K &
		pids+=($!)
	done
	JOBS+=("${pids[@]}")
	poll 60 inflight 0 $COUNT || fail "only $(<"$SYS/inflight") wait"
	thawed
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a write failed"
	done
	io -d "$DEV" zero 0 4K , check $dio 4K "$((COUNT * 4))K" , zero "$((COUNT * 4 + 4))K" 64K
done
detach
no_cgroup "${names[@]}"
