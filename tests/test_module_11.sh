#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="max_loop limits the nodes that make devices by what they mean with max_part"

need_unload
unload_loop
load_loop max_loop=2 max_part=3
for minor in 7 8 11; do
	mknod "$TMP/node$minor" b 7 $minor
done
same "devices" "$(cd /sys/block && echo loop*)" "loop0 loop1"
# Partition 3 of loop1, which is not there: no device comes of it, nor of loop2.
lo "$TMP/node7" open r =ENXIO
lo "$TMP/node8" open r =ENXIO
same "devices" "$(cd /sys/block && echo loop*)" "loop0 loop1"
# loop-control is not limited, nor is what it has made.
same "LOOP_CTL_ADD" "$(lo $CONTROL add 2)" 2
lo "$TMP/node8" get-status64 =ENXIO
same "number of loop2" "$(</sys/block/loop2/dev)" 7:8
same "LOOP_CTL_ADD" "$(lo $CONTROL add -1)" 3
# Beyond the last minor number there is none.
lo $CONTROL add 262143 >/dev/null
lo $CONTROL add 262144 =EINVAL
settle
poll 10 lo $CONTROL remove 262143
poll 10 lo $CONTROL remove 2
poll 10 lo $CONTROL remove 3
lo "$TMP/node11" open r =ENXIO
same "devices" "$(cd /sys/block && echo loop*)" "loop0 loop1"
# max_loop=0 is no limit.
unload_loop
load_loop max_loop=0 max_part=3
lo "$TMP/node8" get-status64 =ENXIO
[[ -d /sys/block/loop2 ]] || fail "loop2 was not made"
