#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Opening a node of a device which is not there makes the device"

n=200
while [[ -d /sys/block/loop$n ]]; do
	n=$((n + 1))
done
img 64K
mknod "$TMP/node" b 7 $n || skip "cannot make nodes"
lo "$TMP/node" get-status64 =ANY >"$TMP/result"
# Some mount tmpfs nodev.
! grep -q EACCES "$TMP/result" || skip "$TMP has no device nodes"
same "result" "$(<"$TMP/result")" ENXIO
[[ -d /sys/block/loop$n ]] || fail "loop$n was not made"
lo "$TMP/node" set-fd "$IMG" , get-status64 number=$n , clr-fd
unbound "/dev/loop$n"
poll 10 lo $CONTROL remove $n
