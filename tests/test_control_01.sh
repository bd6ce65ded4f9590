#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CTL_ADD makes the device asked for, or EEXIST, or EINVAL"

for n in 77 1000 1048575; do
	[[ ! -d /sys/block/loop$n ]] || skip "loop$n exists"
	same "result" "$(lo $CONTROL add $n)" $n
	poll 5 test -b /dev/loop$n
	same "device number" "$(</sys/block/loop$n/dev)" "7:$n"
	lo $CONTROL add $n =EEXIST
	img 64K
	lo /dev/loop$n set-fd "$IMG" , size 64K , get-status64 number=$n , clr-fd
	unbound /dev/loop$n
	poll 10 lo $CONTROL remove $n
	[[ ! -d /sys/block/loop$n ]] || fail "loop$n is still there"
done
lo $CONTROL add 1048576 =EINVAL
lo $CONTROL add 0x7fffffff =ANY >"$TMP/result"
grep -qE 'EINVAL|ENOSPC' "$TMP/result" || fail "add INT_MAX: $(<"$TMP/result")"

# A negative number is whichever is free.
n=$(lo $CONTROL add -1)
[[ -d /sys/block/loop$n && -z ${LOOPS_BEFORE[$n]:-} ]] ||
	fail "loop$n is not a new device"
poll 10 lo $CONTROL remove "$n"
