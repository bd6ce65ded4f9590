#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What modinfo, /proc/devices, /proc/misc and sysfs tell of the module"

need modinfo
module=${LOOP_KO:-loop}
same "description" "$(modinfo -F description "$module")" "Loopback device support"
same "license" "$(modinfo -F license "$module")" GPL
same "name" "$(modinfo -F name "$module")" loop
same "depends" "$(modinfo -F depends "$module")" ""
same "aliases" "$(modinfo -F alias "$module" | sort)" "block-major-7-*
char-major-10-237
devname:loop-control"
# Some parameters are not the C driver's: see test_queues_* and test_pin_02.
same "parameters" "$(modinfo -F parm "$module" | grep -v -e ^nr_hw_queues: -e ^poll_queues: -e ^pinned: | sort)" \
"hw_queue_depth:Queue depth for each hardware queue. Default: 128
max_loop:Maximum number of loop devices
max_part:Maximum number of partitions per loop device (int)"
parameters=$(cd /sys/module/loop/parameters && echo *)
parameters=${parameters/ pinned/}
same "in sysfs" "${parameters% nr_hw_queues poll_queues}" "hw_queue_depth max_loop max_part"
for file in /sys/module/loop/parameters/*; do
	same "mode of $file" "$(stat -c %a "$file")" 444
	fails tee "$file" <<<1
done
same "/proc/devices" "$(sed '1,/^Block/d' /proc/devices | grep -w loop)" "  7 loop"
same "/proc/misc" "$(grep -w loop-control /proc/misc)" "237 loop-control"
same "number of loop-control" "$(</sys/class/misc/loop-control/dev)" 10:237
same "its name" "$(sed -n 's/^DEVNAME=//p' /sys/class/misc/loop-control/uevent)" \
	loop-control
