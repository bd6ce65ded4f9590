#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Disks for what lies below loop devices: null_blk, scsi_debug and device mapper. Sourced by test_common.sh.

DMS=()
NULLBS=()
SCSI_DISK=

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

# scsi_disk SETTING...: SCSI_DISK is the disk of scsi_debug with these settings.
scsi_disk()
{
	[[ ! -d /sys/module/scsi_debug ]] || skip "scsi_debug is in use"
	modprobe -q sd_mod || true
	modprobe -q scsi_debug "$@" || skip "no module scsi_debug"
	poll 20 has_scsi_disk || fail "no disk appears"
	SCSI_DISK=/dev/$(basename "$(<"$TMP/scsi_disk")")
	poll 20 test -b "$SCSI_DISK"
	settle
}

has_scsi_disk()
{
	compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*" >"$TMP/scsi_disk"
}

# scsi_disk_gone: nobody uses it any more.
scsi_disk_gone()
{
	poll 20 rmmod scsi_debug || fail "the disk is still in use"
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
