#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: hotplug_race.sh null_blk|loop SECONDS
#
# Makes and removes disks of several hardware queues while CPUs go and come. Not a test: the kernel may die of it, see
# doc/cpu-hotplug.md of the driver. For a guest with four CPUs.

cd "${BASH_SOURCE[0]%/*}" || exit
driver=$1
end=$((SECONDS + $2))
cpus=$(nproc)
rounds=0
busy=0

# Makes a disk and removes it, again and again.
disks()
{
	local made=0 dir=/sys/kernel/config/nullb/race$1

	if [[ $driver == null_blk ]]; then
		mkdir "$dir"
		echo "$cpus" >"$dir/submit_queues"
	fi
	while ((SECONDS < end)); do
		if [[ $driver == null_blk ]]; then
			echo 1 >"$dir/power"
			echo 0 >"$dir/power"
		else
			./loop_ioctl /dev/loop-control add "$((1000 + $1))" , remove "$((1000 + $1))" >/dev/null
		fi
		made=$((made + 1))
	done
	echo "$made disks"
	[[ $driver != null_blk ]] || rmdir "$dir"
}

# It would open each of them.
killall -q --wait --signal KILL systemd-udevd
if [[ $driver == null_blk ]]; then
	modprobe null_blk nr_devices=0
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
fi
for n in 1 2 3; do
	disks "$n" &
done
while ((SECONDS < end)); do
	for ((cpu = 1; cpu < cpus; cpu++)); do
		for online in 0 1; do
			until echo "$online" 2>/dev/null >"/sys/devices/system/cpu/cpu$cpu/online"; do
				busy=$((busy + 1))
			done
		done
		rounds=$((rounds + 1))
	done
	echo "$rounds CPUs went and came, $busy times busy"
done
wait
