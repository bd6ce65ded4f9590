#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What all loop tests share. A test sources this file, which prepares a scratch
# directory (a tmpfs of its own) in $TMP, and then runs commands; the first one
# that fails ends the test as failed. However it ends, processes, mounts,
# device-mapper and null_blk devices and loop devices made meanwhile are taken
# away. A test that leaves something behind by itself fails, and so does one
# during which the kernel logged a warning.
#
# Environment:
#	LOOP_SCRATCH_DEV  a block device to make filesystems on (they overwrite
#	                  it); a null_blk device takes its place if not set
#	LOOP_KO           the module under test; "modprobe loop" if not set

KSFT_FAIL=1
KSFT_SKIP=4

TID=${0##*/}
TID=${TID%.sh}
HERE=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
PATH=$HERE:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
CONTROL=/dev/loop-control

# Flags of struct loop_info64, for the tests.
# shellcheck disable=SC2034
{
	READ_ONLY=1
	AUTOCLEAR=4
	PARTSCAN=8
	DIRECT_IO=16
}

TMP=
MOUNTS=()
JOBS=()
DMS=()
NULLBS=()
declare -A LOOPS_BEFORE=() BOUND_BEFORE=()

set -eEuo pipefail
trap 'failed_at $LINENO "$BASH_COMMAND"' ERR

say()
{
	echo "$TID: $*"
}

# fail MESSAGE...: ends the test as failed.
fail()
{
	trap - ERR
	say "FAILED: $*"
	exit $KSFT_FAIL
}

# skip MESSAGE...: ends the test as one that cannot run here.
skip()
{
	trap - ERR
	say "SKIP: $*"
	exit $KSFT_SKIP
}

failed_at()
{
	local rc=$?

	trap - ERR
	# A helper that finds it cannot work here says so by its status.
	((rc == KSFT_SKIP)) && exit $KSFT_SKIP
	say "FAILED: line $1: $2 (status $rc)"
	exit $KSFT_FAIL
}

# same WHAT IS EXPECTED: compares two strings.
same()
{
	[[ $2 == "$3" ]] || fail "$1 is \"$2\", expected \"$3\""
}

# fails COMMAND...: the command has to fail.
fails()
{
	if "$@" >/dev/null 2>&1; then
		fail "succeeded, but should not have: $*"
	fi
}

need()
{
	local program

	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

# need_module NAME...: loads modules unless they are there already.
need_module()
{
	local name

	for name; do
		[[ -d /sys/module/$name ]] || modprobe -q "$name" ||
			skip "no module $name"
	done
}

# poll SECONDS COMMAND...: repeats the command until it succeeds.
poll()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS <= end)) || return 1
		sleep 0.02
	done
}

# Runs a process in the background which is ended with the test.
background()
{
	"$@" &
	JOBS+=($!)
}

# lo ARGUMENTS...: loop_ioctl, with failures told.
lo()
{
	loop_ioctl "$@"
}

io()
{
	loop_io "$@"
}

# new_dev: DEV is a free device, N its number.
new_dev()
{
	N=$(lo $CONTROL get-free)
	DEV=/dev/loop$N
	SYS=/sys/block/loop$N
	[[ -b $DEV ]] || poll 5 test -b "$DEV" || fail "$DEV did not appear"
}

# attach FILE [FIELD=VALUE...]: LOOP_CONFIGUREs a free device.
attach()
{
	new_dev
	lo "$DEV" configure "$@"
}

is_unbound()
{
	[[ ! -e /sys/block/${1#/dev/}/loop/backing_file ]]
}

# unbound DEVICE: waits until the device has let go of its file. Someone, such
# as udev, may have it open, so that it happens when that is closed.
unbound()
{
	poll 15 is_unbound "$1" || fail "$1 is still attached"
	poll 15 lo "$1" get-status64 =ENXIO || fail "$1 is still attached"
}

# detach_dev DEVICE...: detaches and waits for it to be so.
detach_dev()
{
	local dev

	for dev; do
		lo "$dev" clr-fd
		unbound "$dev"
	done
}

detach()
{
	loud
	detach_dev "$DEV"
}

# quiet: keeps udev off $DEV and its partitions with the lock that it respects.
# Otherwise it opens them, so that a table cannot be read again, and has tables
# read again when a writer closes the device, so that partitions vanish for a
# moment. This holds the device open: "loud", or "detach", ends it.
quiet()
{
	need flock
	settle
	exec 8<"$DEV"
	flock 8
}

loud()
{
	exec 8<&-
}

# attach_quietly FILE [FIELD=VALUE...]: the same as attach, with udev kept off.
attach_quietly()
{
	new_dev
	quiet
	lo "$DEV" configure "$@"
}

# img SIZE [NAME]: IMG is a sparse file of that size, in $TMP if no path.
img()
{
	IMG=${2:-img}
	[[ $IMG == /* ]] || IMG=$TMP/$IMG
	: >"$IMG"
	truncate -s "$1" "$IMG"
}

# sys ATTRIBUTE [DEVICE]: what a file below /sys/block/loopN has to say.
sys()
{
	local dev=${2:-$DEV}

	cat "/sys/block/${dev#/dev/}/$1"
}

# limit NAME VALUE: checks a queue limit.
limit()
{
	same "queue/$1 of $DEV" "$(<"$SYS/queue/$1")" "$2"
}

# gpt_img SIZE [NAME]: IMG has two GPT partitions, of 256K at 1M and of 512K at
# 2M, filled with patterns 1 and 2 from their beginning.
gpt_img()
{
	need sfdisk
	img "$@"
	sfdisk -q "$IMG" <<-TABLE
		label: gpt
		start=2048, size=512
		start=4096, size=1024
	TABLE
	io "$IMG" fill 1 1M 256K 0 , fill 2 2M 512K 0
}

# partition NUMBER: the partition's node is there.
partition()
{
	[[ -d $SYS/${DEV#/dev/}p$1 ]] && test -b "${DEV}p$1"
}

no_partitions()
{
	local dir

	for dir in "$SYS/${DEV#/dev/}"p*; do
		[[ ! -d $dir ]] || fail "${dir##*/} is there"
	done
}

# Waits until udev looks at nothing any more: partitions that it has open keep
# the table from being read again.
settle()
{
	need udevadm
	udevadm settle -t 20
}

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

# fs TYPE [MEGABYTES]: FS is a fresh filesystem of that type.
fs()
{
	local type=$1 size=${2:-320} dev=${LOOP_SCRATCH_DEV:-}

	need "mkfs.$type"
	grep -qw "$type" /proc/filesystems || need_module "$type"
	if [[ -z $dev ]]; then
		nullb scratch size="$size"
		dev=$NULLB
	fi
	case $type in
	ext4)
		mkfs.ext4 -q -F -b 4096 "$dev" "${size}M" ;;
	xfs)
		mkfs.xfs -q -f -K -d size="${size}m" "$dev" ;;
	btrfs)
		mkfs.btrfs -q -f -K -m single -b "${size}M" "$dev" ;;
	*)
		fail "fs $type" ;;
	esac
	FS=$TMP/fs
	mkdir -p "$FS"
	mounted -t "$type" "$dev" "$FS"
}

# fio_verify TARGET [OPTION...]: writes, then reads back and compares.
fio_verify()
{
	local file=$1

	need fio
	shift
	fio --name="$TID" --filename="$file" --thread --rw=randwrite --bs=8k \
		--size=16m --ioengine=libaio --iodepth=16 --verify=crc32c \
		--do_verify=1 --verify_state_save=0 --verify_fatal=1 \
		--clocksource=clock_gettime --allow_mounted_write=1 \
		--randseed=1 "$@" >"$TMP/fio.log" 2>&1 || {
		cat "$TMP/fio.log"
		fail "fio on $file"
	}
}

# Loads the module under test again, with these parameters.
load_loop()
{
	if [[ -n ${LOOP_KO:-} ]]; then
		insmod "$LOOP_KO" "$@"
	else
		modprobe loop "$@"
	fi
}

unload_loop()
{
	# Whoever has just been told of a device may still look at it.
	poll 20 rmmod loop || fail "rmmod loop"
}

# need_unload: the module can go, and comes back as it was after the test.
need_unload()
{
	local p

	grep -q '^loop ' /proc/modules || skip "loop is not a module"
	((${#BOUND_BEFORE[@]} == 0)) || skip "loop devices are in use"
	RELOAD=()
	for p in max_part hw_queue_depth; do
		RELOAD+=("$p=$(<"/sys/module/loop/parameters/$p")")
	done
}

# Takes away loop devices which were not there before the test.
remove_new_devices()
{
	local dir n rc=0

	for dir in /sys/block/loop[0-9]*; do
		[[ -d $dir ]] || continue
		n=${dir##*/loop}
		[[ -z ${LOOPS_BEFORE[$n]:-} ]] || continue
		poll 10 lo $CONTROL remove "$n" || {
			say "loop$n cannot be removed"
			rc=1
		}
	done
	return $rc
}

# Detaches what the test has not; fails if there was anything.
detach_leftovers()
{
	local dir n pass rc=0

	for pass in 1 2 3; do
		for dir in /sys/block/loop[0-9]*/loop; do
			[[ -d $dir ]] || continue
			n=${dir%/loop}
			n=${n##*/loop}
			[[ -z ${BOUND_BEFORE[$n]:-} ]] || continue
			((pass > 1)) || say "left behind: loop$n is attached"
			rc=1
			blockdev --setrw "/dev/loop$n"
			losetup -d "/dev/loop$n" 2>/dev/null
		done
		((rc == 0)) || sleep 0.2
	done
	return $rc
}

kernel_log()
{
	dmesg | awk -v mark="$MARK" '
		seen && /WARNING|BUG:|Oops|possible .* detected|INFO: task|general protection|suspicious RCU|refcount_t|unreferenced object|UBSAN|KASAN|KFENCE|held lock|Call Trace/ {
			print; bad = 1
		}
		index($0, mark) { seen = 1 }
		END { exit bad }'
}

cleanup()
{
	local rc=$? i left=0

	trap - EXIT ERR
	set +eE
	# Tests open devices as these.
	exec 7>&- 8>&-
	# What hangs in a suspended device cannot be killed.
	for i in "${DMS[@]}"; do
		dmsetup resume "$i" 2>/dev/null
	done
	for i in "${JOBS[@]}"; do
		kill "$i" 2>/dev/null
		wait "$i" 2>/dev/null
	done
	for ((i = ${#MOUNTS[@]} - 1; i >= 0; i--)); do
		[[ -n ${MOUNTS[i]:-} && ${MOUNTS[i]} != "$TMP/fs" ]] || continue
		((rc)) || say "left behind: ${MOUNTS[i]} is mounted"
		left=1
		umount "${MOUNTS[i]}" || umount -l "${MOUNTS[i]}"
	done
	if [[ -n ${RELOAD+set} ]]; then
		detach_leftovers || left=1
		[[ ! -d /sys/module/loop ]] || poll 20 rmmod loop || left=1
		load_loop "${RELOAD[@]}" || left=1
	else
		detach_leftovers || left=1
		remove_new_devices || left=1
	fi
	for ((i = ${#DMS[@]} - 1; i >= 0; i--)); do
		poll 10 dmsetup remove "${DMS[i]}" || {
			say "left behind: dm device ${DMS[i]} is in use"
			left=1
		}
	done
	# Not busy any more unless the driver has kept a backing file.
	for ((i = 0; i < ${#MOUNTS[@]}; i++)); do
		[[ ${MOUNTS[i]:-} == "$TMP/fs" ]] || continue
		poll 10 umount "$TMP/fs" || {
			say "left behind: a file in $TMP/fs is in use"
			umount -l "$TMP/fs"
			left=1
		}
	done
	for ((i = ${#NULLBS[@]} - 1; i >= 0; i--)); do
		echo 0 >"${NULLBS[i]}/power"
		rmdir "${NULLBS[i]}" || left=1
	done
	if [[ -n $TMP ]]; then
		poll 10 umount "$TMP" || {
			say "left behind: a file in $TMP is in use"
			umount -l "$TMP"
			left=1
		}
		rmdir "$TMP"
	fi
	if ! kernel_log; then
		say "FAILED: the kernel has warned"
		rc=$KSFT_FAIL
	fi
	if ((rc == 0 && left)); then
		say "FAILED: left something behind"
		rc=$KSFT_FAIL
	fi
	exit $rc
}

prepare()
{
	local dir n

	((EUID == 0)) || {
		trap - ERR
		say "SKIP: needs root"
		exit $KSFT_SKIP
	}
	[[ -c $CONTROL ]] || modprobe -q loop || true
	[[ -c $CONTROL ]] || {
		say "SKIP: no loop driver"
		exit $KSFT_SKIP
	}
	for dir in /sys/block/loop[0-9]*; do
		[[ -d $dir ]] || continue
		n=${dir##*/loop}
		LOOPS_BEFORE[$n]=1
		[[ ! -d $dir/loop ]] || BOUND_BEFORE[$n]=1
	done
	MARK="loop selftest $TID $$ $RANDOM"
	echo "$MARK" >/dev/kmsg
	TMP=$(mktemp -d "/tmp/$TID.XXXXXX")
	mount -t tmpfs -o size=400m loop-selftest "$TMP"
	trap cleanup EXIT
	trap 'exit 1' INT TERM HUP
}

prepare
