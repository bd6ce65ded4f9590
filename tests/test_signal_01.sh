#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One who waits for a device whose backing hangs can be killed.

. ./test_common.sh

nullb loopsig size=16
dm loop-selftest "0 32768 linear $NULLB 0"
attach /dev/mapper/loop-selftest flags=$DIRECT_IO
settle
exec 7<>"$DEV"
# Dirty pages, which nothing reads or writes until it is asked to.
io "$DEV" fill 1 0 64K
dmsetup suspend --nolockfs loop-selftest
# This waits for them to be written, with the device's lock held.
loop_ioctl fd:7 set-status64 offset=4096 &
holder=$!
JOBS+=("$holder")
# So others have to wait for the lock.
blocked()
{
	! timeout -s KILL 1 loop_ioctl "$DEV" get-status64
}
poll 20 blocked || fail "nothing holds the lock"

# buried PID: the process has ended, if only its parent has not yet noticed.
buried()
{
	[[ ! -e /proc/$1 ]] ||
		[[ $(awk '/^State/ { print $2 }' "/proc/$1/status") == [ZX] ]]
}
for op in get-status64 set-status64 set-capacity "set-dio 1" clr-fd \
	"set-block-size 512"; do
	# shellcheck disable=SC2086
	loop_ioctl fd:7 $op &
	pid=$!
	sleep 0.2
	! buried $pid || fail "$op did not wait"
	kill -KILL $pid
	poll 10 buried $pid || fail "$op cannot be killed"
	wait $pid 2>/dev/null || true
done
dmsetup resume loop-selftest
wait $holder
exec 7>&-
lo "$DEV" get-status64 offset=4096
io /dev/mapper/loop-selftest check 1 0 64K
detach
