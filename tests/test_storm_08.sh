#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="A CPU goes and comes while devices are in use, bound and made"

cpu=
for dir in /sys/devices/system/cpu/cpu[1-9]*; do
	[[ ! -w $dir/online || $(<"$dir/online") != 1 ]] || cpu=$dir
done
[[ $cpu ]] || skip "no CPU that can go"

# online 0|1: what the CPU has to be. EBUSY while a device is being made.
online()
{
	echo "$1" 2>/dev/null >"$cpu/online"
}
hotplug()
{
	trap 'poll 10 online 1; exit' TERM
	while :; do
		poll 10 online 0
		sleep 0.1
		poll 10 online 1
		sleep 0.1
		echo >>"$TMP/rounds"
	done
}
use()
{
	local job

	hotplug &
	job=$!
	JOBS+=("$job")
	img 16M hotplug
	attach "$IMG" flags=$DIRECT_IO
	fio_verify "$DEV" --direct=1 --size=8m
	lo "$DEV" set-dio 0
	fio_verify "$DEV" --size=8m
	storm 14 2000
	detach
	poll 60 test -s "$TMP/rounds" || fail "the CPU does not go and come"
	kill "$job"
	wait "$job" || true
	same "online" "$(<"$cpu/online")" 1
}
without_leaks use
