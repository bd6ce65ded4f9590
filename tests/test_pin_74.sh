#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A discard on a pinned device gives space of a thin disk back; zeroes that are to keep it do not"

# Modes of fallocate.
KEEP=1
PUNCH=2

is_disk()
{
	compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*" >"$TMP/disk"
}

# provisioned: how many sectors of the disk have space.
provisioned()
{
	tr , '\n' </sys/bus/pseudo/drivers/scsi_debug/map |
		awk -F- '{ sum += (NF > 1 ? $2 - $1 + 1 : 1) } END { print sum + 0 }'
}

[[ ! -d /sys/module/scsi_debug ]] || skip "scsi_debug is in use"
modprobe -q sd_mod || true
modprobe -q scsi_debug dev_size_mb=64 delay=0 lbpws=1 lbprz=1 || skip "no module scsi_debug"
poll 20 is_disk || fail "no disk appears"
disk=/dev/$(basename "$(<"$TMP/disk")")
poll 20 test -b "$disk"
settle
[[ $(<"/sys/block/${disk#/dev/}/queue/write_zeroes_max_bytes") != 0 ]] || fail "the disk makes no zeroes"
LOOP_SCRATCH_DEV=$disk fs ext4 60
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
poll 20 rmmod scsi_debug || fail "the disk is still in use"
