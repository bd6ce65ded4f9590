#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="Request-based device mapper that was loaded before goes on to discard, also more at once than the disk below takes"

need_module dm_multipath dm_round_robin
scsi_disk dev_size_mb=64 delay=0 lbpws=1 lbprz=1 write_same_length=2048
same "write-zeroes of the disk" "$(<"/sys/block/${SCSI_DISK#/dev/}/queue/write_zeroes_max_bytes")" 1048576
LOOP_SCRATCH_DEV=$SCSI_DISK fs ext4 60
written_img 16M
attach_quietly "$IMG" flags=$DIRECT_IO
dm loop-paths "0 32768 multipath 0 0 1 1 round-robin 0 1 0 $DEV"
pin 1
io -d /dev/mapper/loop-paths discard 0 8M , zero 0 8M , zeroout 8M 4M , zero 8M 4M , check 1 12M 4M
[[ $(dmsetup status loop-paths) != *" F "* ]] || fail "the path has failed: $(dmsetup status loop-paths)"
dm_gone loop-paths
detach
umounted "$FS"
scsi_disk_gone
