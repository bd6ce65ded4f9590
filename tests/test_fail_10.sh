#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem that does not answer at the last close: that waits, and ends when the filesystem is given up"

img 1M
attach "$IMG"
other=$DEV
fuse_img 1M
attach "$IMG"
settle
fuse hold write
# Its dirty pages are written when it is closed.
loop_io "$DEV" fill 1 0 64K &
closer=$!
JOBS+=("$closer")
fuse_saw "held write"
kill -KILL "$closer"
timeout 20 loop_io -d "$other" fill 1 0 64K , fsync , check 1 0 64K
timeout 20 cat "$SYS/loop/backing_file" >"$TMP/name"
timeout 20 loop_ioctl "$(dev=$DEV; new_dev; echo "$DEV")" set-fd "r:$other" , clr-fd
! ended "$closer" || fail "it was closed with its data unwritten"
fuse_abort
poll 20 ended "$closer" || fail "it is still being closed"
# Where nobody has read anything that would be cached.
io -d "$DEV" read 640K 4096 =EIO
detach
detach_dev "$other"
