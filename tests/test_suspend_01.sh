#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The system is suspended, all but for the last step, while I/O is under way, and goes on with it.

. ./test_common.sh

[[ -w /sys/power/pm_test ]] || skip "the kernel cannot test suspending (PM_DEBUG)"
grep -qw mem /sys/power/state || skip "no suspend to memory"

img 32M direct
attach "$IMG" flags=$DIRECT_IO
direct=$DEV
img 32M buffered
attach "$IMG"
buffered=$DEV
use()
{
	until [[ -f $TMP/awake ]]; do
		fio_verify "$direct" --direct=1
		fio_verify "$buffered"
		echo >>"$TMP/rounds"
	done
}
use &
job=$!
JOBS+=("$job")
echo 1 >/sys/module/suspend/parameters/pm_test_delay
for level in freezer devices processors; do
	sleep 0.5
	echo $level >/sys/power/pm_test
	echo mem >/sys/power/state
	echo none >/sys/power/pm_test
done
touch "$TMP/awake"
wait "$job" || fail "I/O failed"
test -s "$TMP/rounds" || fail "there was no I/O"
detach_dev "$direct" "$buffered"
