#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="An ioctl that a filesystem does not answer holds up its device and no other, until the filesystem is given up"

img 1M
attach "$IMG"
other=$DEV
fuse_img 1M 0
attach "$IMG"
settle
exec 7<"$DEV"
fuse hold getattr
loop_ioctl "$DEV" set-capacity &
job=$!
JOBS+=("$job")
fuse_saw "held getattr"
kill -KILL "$job"
loop_ioctl fd:7 get-status64 &
waiter=$!
JOBS+=("$waiter")
timeout 20 loop_io -d "$other" fill 1 0 64K , fsync , check 1 0 64K
timeout 20 loop_ioctl "$other" set-status64 , set-dio 1
timeout 20 loop_ioctl $CONTROL get-free >"$TMP/free"
timeout 20 cat "$SYS/loop/backing_file" >"$TMP/name"
! ended "$job" || fail "the ioctl has ended without an answer"
! ended "$waiter" || fail "the status was told meanwhile"
# He can be killed.
kill -KILL "$waiter"
poll 20 ended "$waiter" || fail "who waits for the device cannot be killed"
fuse_abort
poll 20 ended "$job" || fail "the ioctl does not end"
exec 7<&-
lo "$DEV" set-capacity , size 0
detach
detach_dev "$other"
