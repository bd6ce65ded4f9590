#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="the disk fails"
DESCRIPTION="The disk below fails, or goes: errors, and the device can be detached"

nullb looppin size=64
dm loop-selftest "0 131072 linear $NULLB 0"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 64
pinned_img 1M
io -d "$DEV" fill 2 0 64K
dmsetup suspend --nolockfs loop-selftest
dmsetup load loop-selftest --table "0 131072 error"
dmsetup resume loop-selftest
io -d "$DEV" read 0 4K =EIO , write 0 4K =EIO , discard 0 4K =ANY
dmsetup suspend --nolockfs loop-selftest
dmsetup load loop-selftest --table "0 131072 linear $NULLB 0"
dmsetup resume loop-selftest
io -d "$DEV" check 2 0 64K
detach
umounted "$FS"

nullb looppin2 size=64
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
pinned_img 1M
echo 0 >/sys/kernel/config/nullb/looppin2/power
sleep 0.1
io -d "$DEV" read 0 4K =EIO , write 0 4K =EIO
detach
umounted "$FS"
