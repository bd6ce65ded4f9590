#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_STATUS64 with LO_FLAGS_PARTSCAN scans, and this stays on"

gpt_img 4M
attach_quietly "$IMG"
no_partitions
lo "$DEV" set-status64 flags=$PARTSCAN
partition 1
partition 2
lo "$DEV" set-status64 flags=0 , get-status64 flags=$PARTSCAN
partition 2
detach
no_partitions

# With another offset in the same call, the table there is read.
need dd
dd if="$IMG" of="$TMP/moved" bs=64K seek=1 status=none
attach_quietly "$TMP/moved"
lo "$DEV" set-status64 flags=$PARTSCAN offset=65536
partition 1
io "${DEV}p2" check 2 0 512K
detach
