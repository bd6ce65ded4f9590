#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where memory is missing for a change of a device, or to tell of it, nothing is changed"

fs ext4
img 1M "$FS/other"
other=$IMG
img 1M "$FS/img"
io "$IMG" fill 1 0 1M
faults
fresh_dev
lo "$DEV" configure "$IMG"
before=$(snapshot)
each_failing "$DEV" set-status64 offset=4096 file_name=x , set-status64
lo "$DEV" set-status64
each_failing "$DEV" set-status offset=4096 , set-status64
lo "$DEV" set-status64
loop_ioctl -n "$DEV" set-dio 1 , set-dio 0
lo "$DEV" set-dio 0
loop_ioctl -n "$DEV" set-block-size 4096 , set-block-size 512
lo "$DEV" set-block-size 512
truncate -s 2M "$IMG"
loop_ioctl -n "$DEV" set-capacity
truncate -s 1M "$IMG"
lo "$DEV" set-capacity
each_failing "$DEV" get-status64 offset=0
each_failing "$DEV" get-status offset=0
looks_like "$before" || fail "it was $before, and is $(snapshot)"
io "$DEV" check 1 0 1M
detach

lo "$DEV" set-fd "r:$IMG"
loop_ioctl -n "$DEV" change-fd "r:$other" , change-fd "r:$IMG"
lo "$DEV" get-status64 inode="$(stat -c %i "$other")"
detach
