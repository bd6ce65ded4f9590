#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="All tasks are frozen, as for suspend, in the middle of I/O and ioctls, and go on afterwards"

# Of kernels that can only test it, the freezer alone; else what a program does
# that hibernates the system (SNAPSHOT_FREEZE, SNAPSHOT_UNFREEZE).
if [[ -w /sys/power/pm_test ]] && grep -qw freeze /sys/power/state; then
	delay=/sys/module/suspend/parameters/pm_test_delay
	[[ ! -w $delay ]] || echo 1 >$delay
	freeze()
	{
		echo freezer >/sys/power/pm_test
		echo freeze >/sys/power/state
		echo none >/sys/power/pm_test
	}
elif lo /dev/snapshot open r 2>/dev/null; then
	freeze()
	{
		lo /dev/snapshot open r , ioctl 0x3301 0 , ioctl 0x3302 0
	}
else
	skip "neither /sys/power/pm_test nor /dev/snapshot"
fi

freezes()
{
	while ! ended "$1"; do
		freeze
		count=$((count + 1))
	done
}
both()
{
	freezes "$1"
	wait "$1"
}
count=0
img 16M frozen
attach "$IMG" flags=$DIRECT_IO
fio_verify "$DEV" --direct=1 &
JOBS+=($!)
both $!
lo "$DEV" set-dio 0
fio_verify "$DEV" --fsync=16 --size=4m &
JOBS+=($!)
both $!
storm 15 3000 &
JOBS+=($!)
both $!
((count > 0)) || freeze
say "frozen $count times"
detach
