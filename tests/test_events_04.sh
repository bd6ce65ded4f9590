#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions by hand, devices made and removed, and the last close make their events"

img 4M
monitor
new_dev
quiet
lo "$DEV" set-fd "$IMG"
events lo "$DEV" add-part 3 1M 1M , add-part 4 2M 1M , del-part 3
same "events of BLKPG" "$EVENTS" "add p3 PARTN=3
add p4 PARTN=4
remove p3 PARTN=3"
events detach
same "events of detaching" "$EVENTS" "change disk
change disk DISK_MEDIA_CHANGE=1
remove p4 PARTN=4"

autoclear()
{
	lo "$DEV" open rw , configure "$IMG" flags=$AUTOCLEAR
	unbound "$DEV"
}
settle
events autoclear
same "events with autoclear" "$EVENTS" "change disk
change disk
change disk DISK_MEDIA_CHANGE=1"

n=77
while [[ -d /sys/block/loop$n ]]; do
	n=$((n + 1))
done
DEV=/dev/loop$n
SYS=/sys/block/loop$n
events lo $CONTROL add $n >/dev/null
same "events of LOOP_CTL_ADD" "$EVENTS" "add disk"
settle
events poll 10 lo $CONTROL remove $n
same "events of LOOP_CTL_REMOVE" "$EVENTS" "remove disk"
