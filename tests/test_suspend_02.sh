#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The system is suspended, all but for the last step, while a request hangs, and a limit that the backing file does not support waits for that to be changed"

[[ -w /sys/power/pm_test ]] || skip "the kernel cannot test suspending (PM_DEBUG)"
grep -qw mem /sys/power/state || skip "no suspend to memory"
need fio

# A disk that makes zeroes by itself until the device is bound, and no more then.
scsi_disk dev_size_mb=64 delay=0 lbpws=1 lbprz=1
nullb loopzero size=8
dm loop-selftest "0 131072 linear $SCSI_DISK 0"
attach_quietly /dev/mapper/loop-selftest flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
(($(sys queue/discard_max_bytes) > 0)) || fail "no discards"
dm_table loop-selftest "$(printf '%s\n' "0 122880 linear $SCSI_DISK 0" "122880 8192 linear $NULLB 0")"
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
dm_gone loop-selftest
scsi_disk_gone
