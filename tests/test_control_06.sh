#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="loop-control takes numbers as ints, and makes the lowest one that is free"

n=500
for ((i = 0; i < 4; i++)); do
	[[ ! -d /sys/block/loop$((n + i)) ]] || skip "loop$((n + i)) exists"
done
# LOOP_CTL_ADD, LOOP_CTL_REMOVE
lo $CONTROL ioctl 0x4c80 $((0x700000000 + n))
[[ -d /sys/block/loop$n ]] || fail "no loop$n"
settle
poll 10 lo $CONTROL ioctl 0x4c81 $((0x700000000 + n))
[[ ! -d /sys/block/loop$n ]] || fail "loop$n is still there"

# The lowest: those which are removed are made again first.
first=$(lo $CONTROL add -1)
second=$(lo $CONTROL add -2147483648)
((second > first)) || fail "after $first comes $second"
settle
poll 10 lo $CONTROL remove "$first"
same "lowest number" "$(lo $CONTROL add -1)" "$first"
# LOOP_CTL_GET_FREE has no argument.
free=$(lo $CONTROL get-free)
lo $CONTROL ioctl 0x4c82 0xffffffffffffffff
same "free device" "$(lo $CONTROL get-free)" "$free"
settle
poll 10 lo $CONTROL remove "$first"
poll 10 lo $CONTROL remove "$second"
