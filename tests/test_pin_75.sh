#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where the disk below turns out not to make zeroes any more, discards on a pinned device are not offered any more, without a word"

TOPIC="data"

no_discards()
{
	(($(sys queue/discard_max_bytes) == 0))
}

scsi_disk dev_size_mb=64 delay=0 lbpws=1 lbprz=1
nullb looppin size=8
good="0 131072 linear $SCSI_DISK 0"
dm loop-selftest "$good"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 48
mount -o remount,commit=600 "$FS"
written_img 16M
attach_quietly "$IMG" flags=$DIRECT_IO
pin 1
io -d "$DEV" discard 0 1M , zero 0 1M , check 1 1M 1M
# A part of another disk behind the file system, which does not make zeroes by itself: so none of both does.
dm_table loop-selftest "$(printf '%s\n' "0 122880 linear $SCSI_DISK 0" "122880 8192 linear $NULLB 0")"
lines=$(dmesg | grep -c "I/O error, dev ${DEV#/dev/}" || true)
io -d "$DEV" discard 1M 64K =ANY
poll 20 no_discards || fail "they are still offered"
io -d "$DEV" discard 2M 64K =EOPNOTSUPP , check 1 2M 64K , fill 2 0 64K , check 2 0 64K
same "lines in the log" "$(dmesg | grep -c "I/O error, dev ${DEV#/dev/}" || true)" "$lines"
unpin
detach
umounted "$FS"
dm_gone loop-selftest
scsi_disk_gone
