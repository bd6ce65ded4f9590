#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# File systems on these disks: made, mounted, frozen, swapped to. Sourced by test_common.sh.

MOUNTS=()
FROZEN=
SWAPS=()

# mounted ARGUMENTS... DIRECTORY: mounts for the time of the test.
mounted()
{
	mount "$@"
	MOUNTS+=("${!#}")
}

# umounted DIRECTORY: unmounts what "mounted" did.
umounted()
{
	local i

	umount "$1"
	for i in "${!MOUNTS[@]}"; do
		[[ ${MOUNTS[i]} != "$1" ]] || unset "MOUNTS[i]"
	done
}

# fs_without_flushes: FS is ext4 on the dm device loop-selftest, which maps $NULLB; no write waits for a flush there,
# as it would for a journal.
fs_without_flushes()
{
	need mkfs.ext4
	nullb loopflush size=64 cache_size=4
	dm loop-selftest "0 131072 linear $NULLB 0"
	mkfs.ext4 -q -F -b 4096 -O ^has_journal /dev/mapper/loop-selftest
	FS=$TMP/fs
	mkdir "$FS"
	mounted -t ext4 /dev/mapper/loop-selftest "$FS"
}

# on_each_fs SIZE COMMAND [FIELD=VALUE...]: runs it on each type of file system that there
# are tools for, $TYPE, with $DEV attached to a written file of that size; $DISK is below.
on_each_fs()
{
	for TYPE in "${PINNABLE[@]}"; do
		command -v "mkfs.$TYPE" >/dev/null || continue
		fs "$TYPE"
		# shellcheck disable=SC2034 # The command looks at it.
		DISK=$(findmnt -n -o SOURCE "$FS")
		written_img "$1"
		attach_quietly "$IMG" "${@:3}"
		"$2"
		detach
		umounted "$FS"
	done
}

# frozen DIRECTORY: its filesystem is frozen, until "thawed" or the test's end.
frozen()
{
	need fsfreeze
	fsfreeze -f "$1"
	FROZEN=$1
}

thawed()
{
	fsfreeze -u "$FROZEN"
	FROZEN=
}

# swap_on DEVICE: swaps there until "swap_off", or the test's end.
swap_on()
{
	need mkswap swapon
	mkswap -q "$1"
	swapon "$1"
	SWAPS+=("$1")
}

swap_off()
{
	swapoff "$1"
	SWAPS=()
}

# fs TYPE [MEGABYTES]: FS is a fresh filesystem of that type.
fs()
{
	local type=$1 size=${2:-320} dev=${LOOP_SCRATCH_DEV:-}

	need "mkfs.$type"
	grep -qw "$type" /proc/filesystems || need_module "$type"
	if [[ -z $dev ]]; then
		[[ -n ${SCRATCH:-} ]] || {
			nullb scratch size="$size"
			SCRATCH=$NULLB
		}
		dev=$SCRATCH
	fi
	case $type in
	ext4)
		mkfs.ext4 -q -F -b 4096 "$dev" "${size}M" ;;
	xfs)
		mkfs.xfs -q -f -K -d size="${size}m" "$dev" ;;
	btrfs)
		mkfs.btrfs -q -f -K -m single -b "${size}M" "$dev" ;;
	f2fs)
		mkfs.f2fs -q -f -t 0 "$dev" $((size << 20 >> 9)) ;;
	*)
		fail "fs $type" ;;
	esac
	FS=$TMP/fs
	mkdir -p "$FS"
	mounted -t "$type" "$dev" "$FS"
}
