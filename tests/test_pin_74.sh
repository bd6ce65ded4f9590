#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A discard on a pinned device gives space of a thin disk back; zeroes that are to keep it do not"

# Modes of fallocate.
KEEP=1
PUNCH=2

# provisioned: how many sectors of the disk have space.
provisioned()
{
	tr , '\n' </sys/bus/pseudo/drivers/scsi_debug/map |
		awk -F- '{ sum += (NF > 1 ? $2 - $1 + 1 : 1) } END { print sum + 0 }'
}

scsi_disk dev_size_mb=64 delay=0 lbpws=1 lbprz=1
[[ $(<"/sys/block/${SCSI_DISK#/dev/}/queue/write_zeroes_max_bytes") != 0 ]] || fail "the disk makes no zeroes"
LOOP_SCRATCH_DEV=$SCSI_DISK fs ext4 60
written_img 16M
sync -f "$IMG"
attach_quietly "$IMG" flags=$DIRECT_IO
pin 1
full=$(provisioned)
io -d "$DEV" zeroout 12M 4M , zero 12M 4M
same "sectors after zeroes" "$(provisioned)" "$full"
io -d "$DEV" discard 0 4M , zero 0 4M , check 1 4M 8M
(($(provisioned) == full - 8192)) || fail "a discard of 8192 sectors: $(provisioned), before $full"
io -d "$DEV" fallocate $((PUNCH | KEEP)) 4M 4M , zero 0 8M , check 1 8M 4M
(($(provisioned) == full - 16384)) || fail "a hole of 8192 sectors: $(provisioned), before $full"
io -d "$DEV" fill 2 0 1M , check 2 0 1M
# Who forbids discards wants to keep the space.
full=$(provisioned)
echo 0 >"$SYS/queue/discard_max_bytes"
io -d "$DEV" fallocate $((PUNCH | KEEP)) 12M 1M =ANY , fallocate $((PUNCH | KEEP)) 8M 1M =ANY
same "sectors after a hole with discards forbidden" "$(provisioned)" "$full"
unpin
io "$IMG" drop , check 2 0 1M , zero 1M 8M , check 1 9M 3M
detach
umounted "$FS"
scsi_disk_gone
