#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD reads the partition table of the new file"

need sfdisk
gpt_img 4M
img 4M other
sfdisk -q "$IMG" <<-TABLE
	label: gpt
	start=3072, size=256
TABLE
attach_quietly "r:$TMP/img" flags=$PARTSCAN
partition 2
lo "$DEV" change-fd "r:$TMP/other"
partition 1
same "start of p1" "$(sys "loop${N}p1/start")" 3072
fails partition 2
lo "$DEV" change-fd "r:$TMP/img"
partition 2
detach
no_partitions
