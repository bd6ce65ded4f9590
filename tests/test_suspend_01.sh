#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The system is suspended, all but for the last step, while I/O is under way, and goes on with it"

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
levels=(freezer devices)
# Without the firmware CPUs stay.
[[ ! -r /sys/power/mem_sleep ]] || ! grep -qF '[deep]' /sys/power/mem_sleep || levels+=(processors)
delay=$(</sys/module/suspend/parameters/pm_test_delay)
echo 1 >/sys/module/suspend/parameters/pm_test_delay
for level in "${levels[@]}"; do
	: >"$TMP/rounds"
	poll 60 test -s "$TMP/rounds" || fail "there is no I/O"
	echo "$level" >/sys/power/pm_test
	result="refused"
	! echo mem >/sys/power/state || result="suspended"
	echo none >/sys/power/pm_test
	same "suspending ($level)" "$result" "suspended"
done
echo "$delay" >/sys/module/suspend/parameters/pm_test_delay
touch "$TMP/awake"
wait "$job" || fail "I/O failed"
detach_dev "$direct" "$buffered"
