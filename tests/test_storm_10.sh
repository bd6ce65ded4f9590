#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Processes frozen in the middle of their calls hold nobody up, and can be killed so"

cgroup a
group=$CGROUP_ROOT/loop-selftest-a
[[ -w $group/cgroup.freeze ]] || skip "no cgroup.freeze"
frozen()
{
	grep -qx 'frozen 1' "$group/cgroup.events"
}
empty()
{
	grep -qx 'populated 0' "$group/cgroup.events"
}
devices_of_the_storm()
{
	local n

	for ((n = 40; n < 50; n++)); do
		[[ ! -d /sys/block/loop$n ]] || echo "$n"
	done
}
# Detaches and removes them; one below another goes after that.
clear_all()
{
	local n

	for n in $(devices_of_the_storm); do
		lo $CONTROL remove "$n" || lo "/dev/loop$n" open r , clr-fd =ANY
	done
	[[ ! $(devices_of_the_storm) ]]
}
in_cgroup a loop_storm "${OPTIONS[@]}" 16 1000000 "$TMP" >"$TMP/storm.log" 2>&1 &
pid=$!
JOBS+=("$pid")
poll 20 test -d /sys/block/loop40 || fail "no storm"
img 256K other
for round in 1 2 3 4 5; do
	sleep 0.5
	! ended $pid || fail "$(<"$TMP/storm.log")"
	echo 1 >"$group/cgroup.freeze"
	poll 60 frozen || fail "they do not freeze"
	# Who does not belong to them goes on, also with their devices.
	for n in $(devices_of_the_storm); do
		lo "/dev/loop$n" open r =ANY , get-status64 =ANY , set-dio 0 =ANY , \
			read 0 512 =ANY
	done >/dev/null
	lo $CONTROL get-free >/dev/null
	attach "$IMG"
	io -d "$DEV" fill $round 0 256K , check $round 0 256K
	detach
	((round == 5)) || echo 0 >"$group/cgroup.freeze"
done
echo 1 >"$group/cgroup.kill"
poll 60 empty || fail "they cannot be killed"
wait $pid || true
echo 0 >"$group/cgroup.freeze"
poll 60 clear_all || fail "left: $(devices_of_the_storm)"
poll 20 module_is_free
