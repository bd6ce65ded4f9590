#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A udev rule sets the queues of a device that appears; a scheduler, nr_requests and a CPU that goes are no obstacle to other numbers"

need udevadm
n=300
while [[ -d /sys/block/loop$n ]]; do
	n=$((n + 1))
done
rule=/run/udev/rules.d/99-loop-selftest.rules
mkdir -p "${rule%/*}"
echo "ACTION==\"add\", KERNEL==\"loop$n\", ATTR{settings/nr_hw_queues}=\"2\", ATTR{settings/poll_queues}=\"1\"" >"$rule"
udevadm control --reload
lo $CONTROL add $n >/dev/null
N=$n DEV=/dev/loop$n SYS=/sys/block/loop$n
settle
rm "$rule"
udevadm control --reload
has_settings || fail "no settings"
queue_settings 2 1
poll 5 test -b "$DEV"
img 1M
io "$IMG" fill 1 0 1M

echo 64 >"$SYS/queue/nr_requests"
lo "$DEV" configure "$IMG"
hw_queues 2 1
limit nr_requests 64
detach

grep -q mq-deadline "$SYS/queue/scheduler" || modprobe -q mq-deadline || true
if grep -q mq-deadline "$SYS/queue/scheduler"; then
	echo mq-deadline >"$SYS/queue/scheduler"
	for number in 1 3; do
		set_queues $number
		lo "$DEV" configure "$IMG"
		hw_queues $number
		grep -q '\[mq-deadline\]' "$SYS/queue/scheduler" || fail "scheduler: $(<"$SYS/queue/scheduler")"
		io -d "$DEV" check 1 0 1M , fill 1 0 1M , fsync
		detach
	done
fi

cpu=/sys/devices/system/cpu/cpu1/online
if [[ -w $cpu ]]; then
	for online in 0 1; do
		echo $online >$cpu
		for number in 2 4; do
			set_queues $number $online
			lo "$DEV" configure "$IMG"
			io -d "$DEV" check 1 0 1M , fill 1 0 1M , fsync
			detach
		done
	done
	hw_queues 4 1
fi
