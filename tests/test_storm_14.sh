#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Cgroups come, use a device and are killed while it is attached, detached and set, its file system frozen and thawed"

# members NUMBER: cgroups come and go one after another, each with a few processes. The part of the
# device that they write always gets the same.
members()
{
	local i name flags pids

	RANDOM=$1
	for ((i = 0; ; i++)); do
		[[ -e $TMP/go ]] || return 0
		name=a/$1-$i
		mkdir "$CGROUP_ROOT/loop-selftest-$name"
		pids=()
		while ((${#pids[@]} < 3)); do
			flags=(-b "$((4096 << RANDOM % 5))")
			((RANDOM % 3 == 0)) || flags+=(-d)
			in_cgroup "$name" loop_io "${flags[@]}" "$DEV" fill "$1" "$1M" 256K , \
				check "$1" "$1M" 256K , fsync >>"$TMP/members.log" 2>&1 &
			pids+=($!)
		done
		((RANDOM % 2)) || sleep "0.0$((RANDOM % 10))"
		((RANDOM % 4)) || wait "${pids[@]}" || true
		echo 1 >"$CGROUP_ROOT/loop-selftest-$name/cgroup.kill"
		wait "${pids[@]}" 2>/dev/null || true
		poll 20 rmdir "$CGROUP_ROOT/loop-selftest-$name" || fail "$name is still in use"
		echo "$name" >>"$TMP/gone"
	done
}

# settings: the device has its file, and has it not.
settings()
{
	RANDOM=100
	while [[ -e $TMP/go ]]; do
		lo "$DEV" configure "$IMG" flags=$((RANDOM % 2 * DIRECT_IO)) =ANY
		sleep 0.2
		lo "$DEV" set-dio $((RANDOM % 2)) =ANY , set-capacity =ANY , set-dio $((RANDOM % 2)) =ANY
		sleep 0.2
		lo "$DEV" clr-fd =ANY
	done >/dev/null
}

freezes()
{
	while [[ -e $TMP/go ]]; do
		fsfreeze -f "$FS"
		sleep 0.1
		fsfreeze -u "$FS"
		sleep 0.2
	done
}

# storms SECONDS: all of it at once.
storms()
{
	local i pids=()

	new_dev
	: >"$TMP/go"
	: >"$TMP/members.log"
	: >"$TMP/gone"
	FROZEN=$FS
	for i in 1 2 3; do
		members $i &
		pids+=($!)
	done
	settings &
	pids+=($!)
	freezes &
	pids+=($!)
	JOBS+=("${pids[@]}")
	sleep "$1"
	rm "$TMP/go"
	for i in "${pids[@]}"; do
		poll 60 ended "$i" || fail "the storm does not end"
		wait "$i" || fail "in the storm"
	done
	FROZEN=
	! grep ': byte ' "$TMP/members.log" || fail "data was lost"
	lo "$DEV" clr-fd =ANY
	unbound "$DEV"
	attach "$IMG"
	io -d "$DEV" fill 5 0 8M , check 5 0 8M
	detach
	say "$(wc -l <"$TMP/gone") cgroups"
}

need fsfreeze
cgroup a
echo "+io +memory" >"$CGROUP_ROOT/loop-selftest-a/cgroup.subtree_control"
nullb loopfs size=64
io "$NULLB" fill 1 0 64M , fsync , drop
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
img 8M "$FS/img"
before=$(dying)
storms 1
without_leaks storms 8
umounted "$FS"
# Some may be in lists of a CPU.
poll 20 few_dying $((before + 10)) || fail "$(dying) dying cgroups, $before before"
