#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Disks for what lies below loop devices: null_blk and device mapper. Sourced by test_common.sh.

DMS=()
NULLBS=()

# nullb NAME [ATTRIBUTE=VALUE...]: NULLB is a new null_blk device which keeps
# what is written.
nullb()
{
	local dir=/sys/kernel/config/nullb/$1 name=$1 setting

	need_module configfs
	[[ -d /sys/kernel/config/nullb ]] || {
		[[ -d /sys/module/null_blk ]] ||
			modprobe -q null_blk nr_devices=0 ||
			skip "no module null_blk"
		mountpoint -q /sys/kernel/config ||
			mount -t configfs none /sys/kernel/config
	}
	mkdir "$dir"
	NULLBS+=("$dir")
	shift
	for setting in memory_backed=1 "$@"; do
		echo "${setting#*=}" >"$dir/${setting%%=*}" ||
			skip "null_blk lacks ${setting%%=*}"
	done
	echo 1 >"$dir/power"
	[[ -d /sys/block/$name ]] || name=nullb$(<"$dir/index")
	NULLB=/dev/$name
	[[ -b $NULLB ]] || poll 5 test -b "$NULLB" || fail "no $NULLB"
}

# dm NAME TABLE: a device-mapper device /dev/mapper/NAME.
dm()
{
	need dmsetup
	need_module dm_mod
	dmsetup create "$1" --table "$2"
	DMS+=("$1")
	[[ -b /dev/mapper/$1 ]] || dmsetup mknodes "$1"
}

# dm_gone NAME...: takes them away again.
dm_gone()
{
	local name i

	for name; do
		poll 10 dmsetup remove "$name" || fail "dm device $name is in use"
		for i in "${!DMS[@]}"; do
			[[ ${DMS[i]} != "$name" ]] || unset "DMS[i]"
		done
	done
}

# stacked NAME: /dev/mapper/NAME is a linear device on all whole blocks of $DEV,
# and copies its limits.
stacked()
{
	local unit=$(($(sys queue/logical_block_size) / 512))

	dm "$1" "0 $(($(blockdev --getsz "$DEV") / unit * unit)) linear $DEV 0"
}

# dm_table NAME TABLE: gives it another table. What waits for the device goes on
# with that.
dm_table()
{
	dmsetup suspend --nolockfs --noflush "$1"
	dmsetup load "$1" --table "$2"
	dmsetup resume "$1"
}
