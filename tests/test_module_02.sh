#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="max_loop makes that many devices, and is a limit for those made by opening a node"

need_unload
devices()
{
	local dirs=(/sys/block/loop[0-9]*)

	[[ -d ${dirs[0]} ]] && echo ${#dirs[@]} || echo 0
}

unload_loop
load_loop max_loop=3
same "max_loop" "$(</sys/module/loop/parameters/max_loop)" 3
same "number of devices" "$(devices)" 3
mknod "$TMP/node" b 7 3
lo "$TMP/node" open r =ENXIO
same "number of devices" "$(devices)" 3
# loop-control is not limited.
same "result" "$(lo $CONTROL add 3)" 3
lo "$TMP/node" get-status64 =ENXIO
unload_loop

load_loop max_loop=0
same "number of devices" "$(devices)" 0
lo "$TMP/node" get-status64 =ENXIO
same "number of devices" "$(devices)" 1
unload_loop

fails load_loop max_loop=1048577
fails load_loop max_loop=x
# Not given, there is no limit.
load_loop
(($(devices) == $(</sys/module/loop/parameters/max_loop))) ||
	fail "$(devices) devices"
mknod "$TMP/node2" b 7 300
lo "$TMP/node2" get-status64 =ENXIO
[[ -d /sys/block/loop300 ]] || fail "loop300 was not made"
