#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Who puts a device on one whose file does not answer an ioctl can be killed, and holds nobody up then"

img 1M
attach "$IMG"
other=$DEV
held
upper=/dev/loop$(lo $CONTROL add -1)
poll 5 test -b "$upper"
# It waits, or it does not need the one below.
background loop_ioctl "$upper" set-fd fd:7
sleep 0.5
kill -KILL "${JOBS[-1]}" 2>/dev/null || true
poll 10 ended "${JOBS[-1]}" || fail "who puts one device on another cannot be killed"
timeout 20 loop_ioctl "$other" clr-fd
unbound "$other"
loop_ioctl "$upper" clr-fd =ANY >"$TMP/result"
unbound "$upper"
fuse release
wait "$HOLDER"
lo "$upper" set-fd fd:7 , clr-fd
unbound "$upper"
exec 7<&-
detach
