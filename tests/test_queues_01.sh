#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="nr_hw_queues is the number of hardware queues, up to that of CPUs; they share the requests"

need_unload
unload_loop
for value in =0 =-1 =x = ""; do
	fails load_loop "nr_hw_queues$value"
done
cpus=$(<"/sys/devices/system/cpu/possible")
cpus=$((${cpus##*-} + 1))
img 256K
for queues in 1 2 8 2147483647; do
	[[ ! -d /sys/module/loop ]] || unload_loop
	load_loop nr_hw_queues=$queues max_loop=1 hw_queue_depth=7
	same "nr_hw_queues" "$(</sys/module/loop/parameters/nr_hw_queues)" $queues
	attach "$IMG"
	dirs=("/sys/block/${DEV#/dev/}"/mq/*)
	same "queues of $queues" ${#dirs[@]} $((queues < cpus ? queues : cpus))
	limit nr_requests 7
	io "$DEV" fill 1 0 256K , fsync , check 1 0 256K
	detach
done
modinfo -F parm "${LOOP_KO:-loop}" >"$TMP/parm"
grep -q "^nr_hw_queues:" "$TMP/parm" || fail "modinfo does not know nr_hw_queues"
