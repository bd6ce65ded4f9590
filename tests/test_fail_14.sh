#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While the backing filesystem is frozen writes wait"
# After the thaw all are done.

fs ext4
img 16M "$FS/img"
io "$IMG" fill 1 0 16M , fsync
attach_quietly "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io "$DEV" flush
	frozen "$FS"
	pids=()
	for i in {0..7}; do
		loop_io -d -b 4096 "$DEV" fill $((2 + dio)) "${i}M" 64K &
		pids+=($!)
	done
	JOBS+=("${pids[@]}")
	poll 20 inflight 0 8 || fail "$(<"$SYS/inflight") requests are under way, expected 0 8"
	kill -KILL "${pids[7]}"
	lo "$DEV" get-status64 offset=0
	inflight 0 8 || fail "a write has ended before the thaw"
	thawed
	for pid in "${pids[@]:0:7}"; do
		wait "$pid" || fail "a write failed"
	done
	poll 20 ended "${pids[7]}" || fail "the one who was killed is still there"
	wait "${pids[7]}" 2>/dev/null || true
	for i in {0..6}; do
		io -d "$DEV" check $((2 + dio)) "${i}M" 64K , check 1 $((i * 1048576 + 65536)) 960K
	done
	io -d "$DEV" fsync
done

# Again and again, beside somebody who writes and compares.
fio_verify "$DEV" --direct=1 --size=4m &
fio=$!
JOBS+=("$fio")
while [[ -d /proc/$fio ]] && ! ended $fio; do
	frozen "$FS"
	thawed
done
wait $fio || fail "data was lost"
detach
