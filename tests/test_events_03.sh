#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A new size is told as such, the same one by LOOP_SET_CAPACITY as a change, the rest not"

gpt_img 4M
monitor
new_dev
quiet
lo "$DEV" set-fd "$IMG"
events lo "$DEV" set-status64 sizelimit=1M
same "events of a limit" "$EVENTS" "change disk RESIZE=1"
events lo "$DEV" set-status64 sizelimit=1M file_name=name , set-dio 1 , set-dio 0 , \
	set-block-size 4096 , set-block-size 512 , get-status64 sizelimit=1M
same "events of other changes" "$EVENTS" ""
# Another offset, and the same size.
events lo "$DEV" set-status64 sizelimit=1M offset=4096
same "events of an offset" "$EVENTS" "change disk"
events lo "$DEV" set-status64 offset=2 encrypt_type=1 =EINVAL , \
	set-block-size 3 =EINVAL , set-fd "$IMG" =EBUSY , configure "$IMG" =EBUSY
same "events of what was refused" "$EVENTS" ""
events lo "$DEV" set-capacity
same "events of the same capacity" "$EVENTS" "change disk"
truncate -s 1M "$IMG"
events lo "$DEV" set-capacity
same "events of a capacity" "$EVENTS" "change disk RESIZE=1"
truncate -s 0 "$IMG"
events lo "$DEV" set-capacity
same "events of no capacity" "$EVENTS" "change disk"
detach

gpt_img 4M
quiet
lo "$DEV" set-fd "$IMG"
events lo "$DEV" set-status64 flags=$PARTSCAN
same "events of partscan" "$EVENTS" "change disk
add p1 PARTN=1
add p2 PARTN=2"
events lo "$DEV" set-status64 flags=$PARTSCAN , set-status64 flags=0
same "events of partscan again" "$EVENTS" ""
detach

# What an unbound device refuses, but for its block size (with C).
quiet
events lo "$DEV" set-fd /dev/null =EINVAL , configure "$IMG" flags=32 =EINVAL , \
	configure "$IMG" encrypt_type=1 =EINVAL , \
	configure "$IMG" offset=0x8000000000000000 =EOVERFLOW , \
	set-status64 =ENXIO , set-capacity =ENXIO , clr-fd =ENXIO
same "events of what was refused" "$EVENTS" ""
loud
