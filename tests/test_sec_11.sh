#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Who puts a device on one whose dirty pages cannot be written waits, cannot be killed, and holds nobody else up"

img 1M
attach "$IMG"
other=$DEV
fuse_img 1M
attach "$IMG"
upper=/dev/loop$(lo $CONTROL add -1)
third=/dev/loop$(lo $CONTROL add -1)
poll 5 test -b "$upper" -a -b "$third"
settle
exec 7<>"$DEV"
fuse hold write
io "$DEV" fill 1 0 64K
loop_ioctl "$upper" set-fd fd:7 &
job=$!
JOBS+=("$job")
fuse_saw "held write"
kill -KILL "$job"
sleep 0.5
! ended "$job" || fail "it did not wait"
# These take the lock of chains.
timeout 20 loop_ioctl "$other" clr-fd || fail "LOOP_CLR_FD of another device waits"
unbound "$other"
lo "$other" set-fd "$TMP/img"
timeout 20 loop_ioctl "$third" set-fd "r:$other" , clr-fd || fail "putting others on each other waits"
unbound "$third"
fuse release
poll 20 ended "$job" || fail "it does not end"
detach_dev "$other"
loop_ioctl "$upper" clr-fd =ANY >"$TMP/result"
unbound "$upper"
exec 7<&-
detach
io "$IMG" check 1 0 64K
