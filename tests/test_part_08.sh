#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="An open partition keeps the device attached after LOOP_CLR_FD, and goes with it"

gpt_img 4M
attach_quietly "$IMG" flags=$PARTSCAN
partition 1
exec 7<>"${DEV}p2"
loud
lo "$DEV" clr-fd
# Not at once, nor when somebody else has looked at it.
lo "$DEV" get-status64 flags=$((PARTSCAN | AUTOCLEAR))
partition 1
io "${DEV}p2" fill 5 0 64K , fsync
io "${DEV}p1" check 1 0 64K
lo "$DEV" get-status64 flags=$((PARTSCAN | AUTOCLEAR))
exec 7>&-
unbound "$DEV"
no_partitions
io "$IMG" check 5 2M 64K 0
# The same through the partition itself: LOOP_CLR_FD there is that of the disk.
attach_quietly "$IMG" flags=$PARTSCAN
partition 1
loud
# Now udev has the table read again.
settle
partition 1
lo "${DEV}p1" clr-fd
unbound "$DEV"
no_partitions
