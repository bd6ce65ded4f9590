#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="While LOOP_SET_BLOCK_SIZE waits for a write that waits for a thaw, the device can be opened exclusively"

# A try fails with EBUSY if the device is open exclusively at that moment.
set_block_size()
{
	until loop_ioctl "$DEV" set-block-size 4096; do
		sleep 0.1
	done >"$TMP/changer"
}

fs ext4
pinned_img 1M
frozen "$FS"
background loop_io -d "$DEV" fill 2 0 64K
writer=${JOBS[-1]}
sleep 0.5
! ended "$writer" || fail "a write went through"
background set_block_size
changer=${JOBS[-1]}
sleep 1
for _ in 1 2 3; do
	soon loop_ioctl "$DEV" open rx
	sleep 0.3
done
! ended "$changer" || fail "it did not wait for the write"
thawed
wait "$writer" "$changer" || fail "it failed"
limit logical_block_size 4096
is_pinned 0
io -d "$DEV" check 2 0 64K , check 1 64K 128K
detach
umounted "$FS"
