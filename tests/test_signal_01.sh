#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One who waits for a device whose backing hangs can be killed.

. ./test_common.sh

nullb loopsig size=16
dm loop-selftest "0 32768 linear $NULLB 0"
attach /dev/mapper/loop-selftest
dmsetup suspend --nolockfs loop-selftest
# This waits for the write to be through with the device's lock held.
loop_io "$DEV" fill 1 0 64K , hold "loop_ioctl $DEV set-status64 offset=4096" &
holder=$!
JOBS+=("$holder")
# So this one waits for the lock.
blocked()
{
	! timeout -s KILL 1 loop_ioctl "$DEV" get-status64
}
poll 20 blocked || fail "nothing holds the lock"
# timeout has killed and buried the waiter, or it would still be here.
dmsetup resume loop-selftest
wait $holder
lo "$DEV" get-status64 offset=4096
io /dev/mapper/loop-selftest check 1 0 64K
detach
