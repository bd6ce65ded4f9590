#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="A thousand devices are made, bound, used, cleared and removed; a hundred where udev looks on, fewer where it is slow"

# It takes a second for some of them.
count=1000
! udevadm control --ping 2>/dev/null || count=$((PATIENCE > 1 ? 40 : 100))
img $((count * 4096)) many
# Memory for each CPU is kept for the next ones, once there was enough.
loop_stress many $count $CONTROL "$IMG" >/dev/null
without_leaks loop_stress many $count $CONTROL "$IMG"
# Each of them has written where it should.
for i in 1 $((count / 2)) $((count - 1)); do
	same "block $i" "$(od -An -tu4 -N4 -j $((i * 4096)) "$IMG" | tr -d ' ')" "$i"
done
