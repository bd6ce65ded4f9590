#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Adding and removing a device while its node is opened and free ones are sought"

n=99
[[ ! -d /sys/block/loop$n ]] || skip "loop$n exists"
loop_stress control 60 $CONTROL $n >"$TMP/log" || {
	cat "$TMP/log"
	fail "loop_stress"
}
if [[ -d /sys/block/loop$n ]]; then
	poll 10 lo $CONTROL remove $n
fi
