#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device that LOOP_CLR_FD is called on while a LOOP_SET_STATUS waits for requests is detached in the end"

fs ext4
written_img 2M
attach_quietly "$IMG"
frozen "$FS"
background loop_io -d "$DEV" fill 2 0 64K
writer=${JOBS[-1]}
sleep 0.5
background loop_ioctl "$DEV" set-status64 file_name=other
changer=${JOBS[-1]}
sleep 1
! ended "$changer" || fail "it did not wait"
background loop_ioctl "$DEV" clr-fd
clearer=${JOBS[-1]}
sleep 1
thawed
wait "$writer" || fail "the write failed"
wait "$changer" || fail "LOOP_SET_STATUS failed"
wait "$clearer" || fail "LOOP_CLR_FD failed"
loud
unbound "$DEV"
umounted "$FS"
