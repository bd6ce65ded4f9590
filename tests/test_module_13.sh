#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="rmmod waits for those who have a reference to a disk, and none to the module: who writes its number to io.max"

is_ours || skip "the C driver does not wait, and the kernel crashes"
need chrt taskset
last=$(($(nproc) - 1))
((last > 0)) || skip "only one CPU"
need_unload
cgroup limited
limits=$CGROUP_ROOT/loop-selftest-limited/io.max
[[ -e $limits ]] || skip "no io.max"

# writer CPU NAME: writes the number of loop0 each time that a line arrives from "go".
writer()
{
	taskset -pc "$1" $BASHPID
	exec 6<>"$TMP/$2"
	while read -r -u 6; do
		echo "7:0 rbps=max" >"$limits" || true
	done
} >/dev/null 2>&1

# go NAME...
go()
{
	local name

	for name; do
		echo >"$TMP/$name"
	done
}

# state STATE PID...: all of them come to be in this state soon.
state()
{
	local pid now end=$((SECONDS + 2))

	for pid in "${@:2}"; do
		until read -r _ _ now _ <"/proc/$pid/stat" && [[ $now == "$1" ]]; do
			((SECONDS < end)) || return 1
		done
	done
}

# staller: has the last CPU do nothing else for a second, each time that a line arrives.
staller()
{
	local end

	# shellcheck disable=SC2016 # For the inner shell.
	exec taskset -c $last chrt -f 50 bash -c '
		while read -r <>"$0"; do
			end=$((${EPOCHREALTIME/./} + 900000))
			while ((${EPOCHREALTIME/./} < end)); do :; done
		done' "$TMP/stall"
}

# This goes on while the last CPU is stalled.
taskset -pc 0-$((last - 1)) $$ >/dev/null
mkfifo "$TMP"/{stall,first,a,b,c}
exec 7<>"$TMP/stall"
background staller
background writer 0 first
first=$!
others=()
for name in a b c; do
	background writer $last $name
	others+=($!)
done
hit=0
late=0
for ((i = 0; i < 10; i++)); do
	[[ ! -d /sys/module/loop ]] || unload_loop
	load_loop max_loop=1
	settle
	state S "$first" "${others[@]}" || fail "a writer does not end"
	# The first one to write has a lock, and waits for a grace period, since the disk is new. The others have a
	# reference, and wait for the lock.
	go first
	state D "$first" || true
	go a b c
	state D "${others[@]}" && waiting=1 || waiting=0
	echo >&7
	# The others do not get any further.
	state S "$first" || true
	# Somebody may have it open for a moment.
	if rmmod loop 2>/dev/null && ((waiting)); then
		hit=$((hit + 1))
		for pid in "${others[@]}"; do
			read -r _ _ now _ <"/proc/$pid/stat"
			[[ $now != D ]] || late=$((late + 1))
		done
	fi
	sleep 1
done
say "$hit times somebody had a reference at rmmod"
((late == 0)) || fail "$late had one after rmmod"
((hit)) || skip "nobody had a reference"
