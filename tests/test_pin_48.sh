#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="A file can be pinned while the log of its file system is written, and its inode is in the part that comes next"

waits()
{
	[[ $(awk '{ print $3 }' "/proc/$1/stat") == D ]]
}

nullb looplog size=320
dm loop-selftest "0 $(blockdev --getsz "$NULLB") linear $NULLB 0"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs xfs 310
written_img 1M
head -c 1 "$IMG" >/dev/null
attach_quietly "$IMG" flags=$DIRECT_IO
# A size that no transaction has brought to the disk.
loop_io -d "$IMG" fill 1 1M 1M
dmsetup suspend --nolockfs --noflush loop-selftest
background sync -f "$IMG"
syncer=$!
poll 10 waits $syncer || fail "nothing is written"
# The time of access is logged in the next transaction.
head -c 1 "$IMG" >/dev/null
background loop_io "$SYS/loop/pinned" put 1
pinner=$!
poll 10 waits $pinner || fail "pinning does not wait for the log"
dmsetup resume loop-selftest
wait $syncer || fail "sync"
wait $pinner || fail "not pinned: $(sys loop/pinned_reason)"
is_pinned 1
detach
