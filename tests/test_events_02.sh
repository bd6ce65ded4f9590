#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD makes a change event whatever comes of it, after the partitions' events"

gpt_img 4M other
gpt_img 4M
img 4M empty
img 8M bigger
monitor
new_dev
quiet
# Not bound.
events lo "$DEV" change-fd "r:$IMG" =ENXIO
same "events when unbound" "$EVENTS" "change disk"
lo "$DEV" configure "r:$TMP/img" flags=$PARTSCAN
events lo "$DEV" change-fd "r:$TMP/other"
same "events of LOOP_CHANGE_FD" "$EVENTS" "remove p1 PARTN=1
remove p2 PARTN=2
change disk
add p1 PARTN=1
add p2 PARTN=2
change disk"
events lo "$DEV" change-fd "r:$TMP/empty"
same "events of LOOP_CHANGE_FD" "$EVENTS" "remove p1 PARTN=1
remove p2 PARTN=2
change disk"
events lo "$DEV" change-fd "r:$TMP/bigger" =EINVAL
same "events of another size" "$EVENTS" "change disk"
events lo "$DEV" change-fd pipe: =EINVAL
same "events of a pipe" "$EVENTS" "change disk"
# Refused before anything is looked at.
events lo "$DEV" change-fd fd:-1 =EBADF , change-fd "r:$TMP" =EINVAL
same "events of no file" "$EVENTS" ""
detach

# Without partscan nobody looks.
quiet
lo "$DEV" set-fd "r:$TMP/empty"
events lo "$DEV" change-fd "r:$TMP/img"
same "events without partscan" "$EVENTS" "change disk"
detach
