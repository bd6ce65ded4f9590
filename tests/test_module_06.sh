#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Parameters that are no int, or too large, keep the module out and leave nothing"

need_unload
unload_loop
nothing_left()
{
	[[ ! -d /sys/module/loop && ! -d /sys/block/loop0 && ! -c $CONTROL ]] ||
		fail "something is left of a refused $1"
	fails grep -qw loop /proc/devices
	fails grep -qw loop-control /proc/misc
}
for p in max_loop max_part hw_queue_depth; do
	for value in "=" "" =x =1x =0x =1.5 "=1 2" =99999999999 =-99999999999 \
		=0x100000000 =2147483648; do
		fails load_loop "$p$value"
	done
	nothing_left $p
done
for setting in hw_queue_depth=0 hw_queue_depth=-1 max_loop=1048577 \
	max_loop=2147483647 max_loop=-1 max_part=256 max_part=2147483647 \
	"max_part=1 max_loop=524289" "max_part=255 max_loop=4097"; do
	# shellcheck disable=SC2086
	fails load_loop $setting
	nothing_left "$setting"
done
# Other bases and a sign are fine.
load_loop max_loop=0x2 max_part=+03 hw_queue_depth=010
same "max_loop" "$(</sys/module/loop/parameters/max_loop)" 2
same "max_part" "$(</sys/module/loop/parameters/max_part)" 3
same "hw_queue_depth" "$(</sys/module/loop/parameters/hw_queue_depth)" 8
