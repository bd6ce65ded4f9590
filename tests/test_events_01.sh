#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Attaching makes one change event and those of partitions, detaching two and theirs"

gpt_img 4M
monitor
new_dev
quiet
events lo "$DEV" set-fd "$IMG"
same "events of LOOP_SET_FD" "$EVENTS" "change disk"
events detach
same "events of detaching" "$EVENTS" "change disk
change disk DISK_MEDIA_CHANGE=1"

quiet
events lo "$DEV" configure "r:$IMG" flags=$PARTSCAN
# One by the driver, one by the scan that has found partitions.
same "events of LOOP_CONFIGURE" "$EVENTS" "change disk
change disk
add p1 PARTN=1
add p2 PARTN=2"
events detach
same "events of detaching" "$EVENTS" "change disk
change disk DISK_MEDIA_CHANGE=1
remove p1 PARTN=1
remove p2 PARTN=2"

# A table that is not there makes no more than none that is looked for.
img 4M empty
quiet
events lo "$DEV" configure "$IMG" flags=$PARTSCAN
same "events of LOOP_CONFIGURE" "$EVENTS" "change disk"
events lo "$DEV" clr-fd
same "events of LOOP_CLR_FD" "$EVENTS" ""
loud
unbound "$DEV"
