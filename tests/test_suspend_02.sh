#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The system is suspended, all but for the last step, while a request hangs, and a limit that the backing file does not support waits for that to be changed"

[[ -w /sys/power/pm_test ]] || skip "the kernel cannot test suspending (PM_DEBUG)"
grep -qw mem /sys/power/state || skip "no suspend to memory"
need mkfs.vfat fio
need_module vfat

nullb loopvfat size=32
mkfs.vfat "$NULLB" >/dev/null
dm loop-selftest "0 65536 linear $NULLB 0"
mkdir "$TMP/fat"
mounted -o noatime -t vfat /dev/mapper/loop-selftest "$TMP/fat"
head -c 16M /dev/zero >"$TMP/fat/img"
sync -f "$TMP/fat/img"
attach_quietly "$TMP/fat/img" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
dmsetup suspend --nolockfs --noflush loop-selftest
# What waits for it can be frozen, as it could not in read(2).
fio --name="$TID" --filename="$DEV" --rw=read --bs=4k --direct=1 --ioengine=libaio \
	--iodepth=1 --size=4k >"$TMP/fio.log" 2>&1 &
job=$!
JOBS+=("$job")
poll 20 inflight 1 0 || fail "no read hangs"

delay=$(</sys/module/suspend/parameters/pm_test_delay)
synced=$(</sys/power/sync_on_suspend)
echo 1 >/sys/module/suspend/parameters/pm_test_delay
# That would wait for the device.
echo 0 >/sys/power/sync_on_suspend
echo freezer >/sys/power/pm_test
for i in 1 2 3; do
	io "$DEV" discard 1M 64K
	result="refused"
	! echo mem >/sys/power/state || result="suspended"
	same "suspending" "$result" "suspended"
done
echo none >/sys/power/pm_test
echo "$synced" >/sys/power/sync_on_suspend
echo "$delay" >/sys/module/suspend/parameters/pm_test_delay
inflight 1 0 || fail "the read has ended"
dmsetup resume loop-selftest
wait "$job" || fail "the read failed"
detach
umounted "$TMP/fat"
dm_gone loop-selftest
