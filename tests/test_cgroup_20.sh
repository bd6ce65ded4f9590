#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A flush of a cgroup that hangs in the backing file stops no reads and writes of the root cgroup"

flushing()
{
	[[ $(dmsetup status loop-selftest) =~ delay\ 0\ 0\ [1-9] ]]
}

cgroup a
fs_without_flushes
linear="0 131072 linear $NULLB 0"
img 4M "$FS/img"
io "$IMG" fill 1 0 4M , drop
attach_quietly "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	dm_table loop-selftest \
		"0 131072 delay $NULLB 0 0 $NULLB 0 0 $NULLB 0 $((60000 * PATIENCE))"
	in_cgroup a loop_io "$DEV" fsync &
	syncer=$!
	failed=
	poll 20 flushing || failed="no flush arrives: $(dmsetup status loop-selftest)"
	loop_io -d "$DEV" check 1 ${dio}M 64K , fill 2 ${dio}M 64K , check 2 ${dio}M 64K &
	other=$!
	JOBS+=("$syncer" "$other")
	poll 10 ended $other || failed=${failed:-the flush holds others up}
	! ended $syncer || failed=${failed:-the flush did not hang}
	dm_table loop-selftest "$linear"
	[[ ! $failed ]] || fail "$failed"
	wait $other || fail "I/O failed"
	wait $syncer || fail "the flush failed"
done
detach
umounted "$FS"
