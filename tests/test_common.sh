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
#	LOOP_PATIENCE     how many times longer than usual to wait for what has to
#	                  happen, on a slow kernel or machine; 1 if not set

KSFT_FAIL=1
KSFT_SKIP=4

TID=${0##*/}
TID=${TID%.sh}
HERE=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
PATH=$HERE:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
CONTROL=/dev/loop-control
PATIENCE=${LOOP_PATIENCE:-1}

# Flags of struct loop_info64, for the tests.
# shellcheck disable=SC2034
{
	READ_ONLY=1
	AUTOCLEAR=4
	PARTSCAN=8
	DIRECT_IO=16
}

# The filesystems that pinned mode works on.
# shellcheck disable=SC2034
PINNABLE=(ext4 xfs btrfs)

TMP=
MARKS=0
MARK_UUID=
EVENTS=
MOUNTS=()
JOBS=()
DMS=()
NULLBS=()
CGROUPS=()
FROZEN=
SWAPS=()
FAULTS=
FUSE=
TRACE=
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
	local end=$((SECONDS + $1 * PATIENCE))

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

# lo32 ARGUMENTS...: the same as a 32-bit program.
lo32()
{
	need loop_ioctl32
	loop_ioctl32 "$@"
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

# fresh_dev: the same with a device that was not there before.
fresh_dev()
{
	N=$(lo $CONTROL add -1)
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

is_quiet()
{
	[[ -e /proc/$$/fd/8 ]]
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
	local value

	read -r value <"$SYS/queue/$1"
	same "queue/$1 of $DEV" "$value" "$2"
}

# snapshot: all that there is to be seen of $DEV, and what else an operation that
# is refused might leave behind.
snapshot()
{
	# Reading, so that udev does not take it for a change when it is closed.
	loop_ioctl "$DEV" open r , get-status64 "=ANY"
	(
		cd "$SYS"
		grep -s . ./* queue/* loop/* | grep -v -e '^./stat:' -e '^./inflight:'
		echo ./*
	) || true
	echo /sys/block/loop*
	# udev comes again and again while it is kept off.
	is_quiet || echo "module users: $(</sys/module/loop/refcnt)"
}

looks_like()
{
	[[ $(snapshot) == "$1" ]]
}

# unchanged COMMAND...: the command leaves $DEV, the number of devices and of
# those who use the module as they were.
unchanged()
{
	local before

	is_quiet || settle
	before=$(snapshot)
	"$@"
	# Others may be looking at the device.
	poll 10 looks_like "$before" || {
		diff <(echo "$before") <(snapshot) || true
		fail "a change by: $*"
	}
}

# queue_of FILE: the directory with the limits of the disk that FILE is or lies
# on; fails if there is none, or it cannot be told.
queue_of()
{
	local dev

	if [[ -b $1 ]]; then
		dev=$((0x$(stat -L -c %t "$1"))):$((0x$(stat -L -c %T "$1")))
	else
		dev=$(mountpoint -d "$(stat -c %m "$1")")
	fi
	[[ -d /sys/dev/block/$dev ]] || return
	dev=$(readlink -f "/sys/dev/block/$dev")
	[[ ! -e $dev/partition ]] || dev=${dev%/*}
	echo "$dev/queue"
}

# follows FILE DIRECT [BLOCK_SIZE]: the limits of $DEV, on which LO_FLAGS_DIRECT_IO
# is set or not (1 or 0), are those that the file leads to.
follows()
{
	local file=$1 direct=$2 size=${3:-0} queue dio
	local max=0 granularity=0 rotational=0 unit=512 memory=512

	queue=$(queue_of "$file") || queue=
	if [[ $queue ]]; then
		rotational=$(<"$queue/rotational")
		unit=$(<"$queue/logical_block_size")
		memory=$(($(<"$queue/dma_alignment") + 1))
	fi
	read -ra dio <<<"$(lo "$file" dio-align)"
	if ((dio[0])); then
		memory=${dio[0]}
		unit=${dio[1]}
	fi
	((direct)) || memory=512 unit=512
	((size)) || size=$unit
	if [[ -b $file ]]; then
		# A discard becomes a write of zeroes, which can be trusted.
		max=$(<"$queue/write_zeroes_max_bytes")
		granularity=$(<"$queue/discard_granularity")
	elif [[ ! ${NO_HOLES:-} ]]; then
		max=$((0xffffffff / 512 * 512))
		granularity=$(stat -f -c %s "$file")
	fi
	same "dio of $DEV on $file" "$(sys loop/dio)" "$direct"
	limit logical_block_size "$size"
	limit physical_block_size "$size"
	limit minimum_io_size "$size"
	limit hw_sector_size "$size"
	limit optimal_io_size 0
	limit discard_max_bytes "$max"
	limit discard_max_hw_bytes "$max"
	limit write_zeroes_max_bytes "$max"
	limit discard_granularity $((max ? granularity : 0))
	limit max_discard_segments 1
	limit rotational "$rotational"
	limit write_cache "write $( (($(sys ro))) && echo through || echo back)"
	limit fua 0
	[[ ${NO_DMA:-} ]] ||
		limit dma_alignment $(((memory > 4096 ? 4096 : memory < 512 ? 512 : memory) - 1))
	limit max_hw_sectors_kb 1280
	limit max_sectors_kb 1280
	limit max_segments 128
	limit max_segment_size 65536
	limit virt_boundary_mask 0
	limit chunk_sectors 0
	# C has 0 where the file needs them (limits_14).
	[[ ${STABLE_WRITES:-} ]] || limit stable_writes 0
	limit zoned none
}

# limits_follow FILE: the limits of a device are what follows from the file, in
# each mode and after each change. Block sizes from 4096 on suit it.
limits_follow()
{
	local file=$1 size

	attach "$file"
	follows "$file" 0
	lo "$DEV" set-status64 file_name=name
	follows "$file" 0
	lo "$DEV" set-block-size 4096 , set-dio 1
	follows "$file" 1 4096
	lo "$DEV" set-block-size 4097 =EINVAL
	follows "$file" 1 4096
	lo "$DEV" set-block-size 0
	follows "$file" 1
	lo "$DEV" set-dio 0
	size=$(sys queue/logical_block_size)
	follows "$file" 0 "$size"
	# An offset that does not suit direct I/O ends it, and no more than that.
	lo "$DEV" set-block-size 4096 , set-dio 1 , set-status64 offset=1
	NO_DMA=1 follows "$file" 0 4096
	detach
	# Of the file it keeps all but what a block size is.
	limit logical_block_size 512
	limit physical_block_size 512
	limit minimum_io_size 512

	attach "$file" flags="$DIRECT_IO"
	follows "$file" 1
	lo "$DEV" set-dio 0
	detach
	attach "r:$file" block_size=4096 flags="$DIRECT_IO"
	follows "$file" 1 4096
	lo "$DEV" set-dio 0
	follows "$file" 0 4096
	detach
	attach "d:$file" block_size=4096
	follows "$file" 1 4096
	# Another file of the same size: its buffers' alignment is another test's.
	detach
	# Nothing of it is left with another file.
	img 1M after
	attach "$IMG"
	follows "$IMG" 0
	detach
}

# written_img SIZE [NAME]: IMG is a file below $FS of which every byte was
# written, pattern 1, as pinned mode asks for.
written_img()
{
	img 0 "$FS/${2:-img}"
	[[ $(stat -f -c %T "$FS") != btrfs ]] || chattr +C "$IMG"
	io "$IMG" fill 1 0 "$1" , fsync
}

# fragmented_img SIZE [NAME]: IMG is a file below $FS, most of it in extents of a
# page. Its content is to be written by the test. $FS has to be small.
fragmented_img()
{
	local free bytes

	bytes=$(numfmt --from=iec "$1")
	free=$(($(stat -f -c "%f * %S" "$FS") - (1 << 20)))
	# One file has all, and gives every other page back.
	until fallocate -l $free "$FS/filler" 2>/dev/null; do
		free=$((free - 65536))
	done
	io "$FS/filler" comb 0 $((bytes * 2 + (8 << 20)))
	img 0 "$FS/${2:-img}"
	fallocate -l "$bytes" "$IMG"
	rm "$FS/filler"
}

# has_pinned: whether the driver has pinned mode.
has_pinned()
{
	[[ -e /sys/module/loop/parameters/pinned ]]
}

is_pinned()
{
	same "pinned" "$(sys loop/pinned)" "$1"
}

# pin 1|fill: puts $DEV in pinned mode.
pin()
{
	io "$SYS/loop/pinned" put "$1"
	is_pinned 1
	same "pinned_reason" "$(sys loop/pinned_reason)" ""
}

unpin()
{
	io "$SYS/loop/pinned" put 0
	is_pinned 0
	same "pinned_reason" "$(sys loop/pinned_reason)" ""
}

# pin_fails ERROR REASON [fill]: it is refused, pinned_reason contains that, and
# nothing else changes.
pin_fails()
{
	io "$SYS/loop/pinned" put "${3:-1}" "=$1"
	[[ $(sys loop/pinned_reason) == *"$2"* ]] ||
		fail "pinned_reason is \"$(sys loop/pinned_reason)\", expected $2"
	unchanged io "$SYS/loop/pinned" put "${3:-1}" "=$1"
	is_pinned 0
}

# pinned_img SIZE [NAME]: the same as written_img, and $DEV is pinned on it.
pinned_img()
{
	written_img "$@"
	attach "$IMG" flags=$DIRECT_IO
	pin 1
}

# unpinned COMMAND...: the command ends pinned mode, and says so.
unpinned()
{
	"$@"
	is_pinned 0
	same "pinned_reason" "$(sys loop/pinned_reason)" "the device was changed"
}

# blocks_of FILE: where its blocks are.
blocks_of()
{
	need filefrag
	filefrag -b512 -e -s "$1" | sed -n 's/^ *[0-9]*: *//p'
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

# long_img PARTS: IMG has a table of so many GPT partitions, of 64K from 1M on.
long_img()
{
	local i

	need sfdisk
	PARTS=$1
	img $((2 + PARTS / 16))M long
	{
		echo "label: gpt"
		for ((i = 0; i < PARTS; i++)); do
			echo "start=$((2048 + i * 128)), size=128"
		done
	} | sfdisk -q "$IMG"
}

# slow_img: the same with eight on a device that takes a while for each read.
slow_img()
{
	long_img 8
	need_module dm_delay
	nullb loopslow size=8
	dd if="$IMG" of="$NULLB" bs=1M oflag=direct status=none
	dm loop-slow "0 8192 delay $NULLB 0 30"
	IMG=/dev/mapper/loop-slow
}

# opened_all_along: $DEV is a free device with udev not kept off, that others open to read again and again, until
# "opened_no_more". "events" is ready.
opened_all_along()
{
	[[ -s $TMP/monitor ]] || monitor
	[[ -e ${SYS:-}/loop ]] || new_dev
	: >"$TMP/open"
	for _ in 1 2 3; do
		while [[ -e $TMP/open ]]; do
			: <"$DEV"
		done 8<&- &
		JOBS+=($!)
	done
}

opened_no_more()
{
	rm "$TMP/open"
	loud
	# It looks at each partition.
	udevadm settle -t $((120 * PATIENCE))
}

# appeared_once CHANGES: EVENTS are so many changes of the disk, and one "add" of each of $PARTS partitions, all of
# which are there.
appeared_once()
{
	local i

	same "events" "$EVENTS" "$(
		for ((i = 0; i < $1; i++)); do
			echo "change disk"
		done
		for ((i = 1; i <= PARTS; i++)); do
			echo "add p$i PARTN=$i"
		done)"
	for ((i = 1; i <= PARTS; i++)); do
		partition $i
	done
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
	udevadm settle -t $((20 * PATIENCE))
}

# mark SECONDS: makes an event that marks a point in their sequence, and waits
# for the monitor to hear it.
mark()
{
	MARKS=$((MARKS + 1))
	printf -v MARK_UUID '%08d-0000-0000-0000-000000000000' "$MARKS"
	echo "change $MARK_UUID" >/sys/class/mem/null/uevent
	poll "$1" grep -q "^SYNTH_UUID=$MARK_UUID" "$TMP/monitor"
}

# monitor: from now on the kernel's events are recorded, for "events".
monitor()
{
	need udevadm
	# Not with the lock that keeps udev off.
	udevadm monitor --kernel --property >>"$TMP/monitor" 8<&- &
	JOBS+=($!)
	# It may not listen yet.
	poll 20 mark 0 || fail "no events are heard"
}

# events COMMAND...: EVENTS are those of $DEV that the command made, one a line:
# the action, "disk" or the rest of the name, and properties which not all have.
# Events that somebody asked for, as udev does for devices which were closed by
# a writer, are left out.
events()
{
	local from

	mark 20
	from=$MARK_UUID
	"$@"
	mark 20
	# shellcheck disable=SC2034
	EVENTS=$(awk -v disk="${DEV#/dev/}" -v from="$from" -v to="$MARK_UUID" '
		BEGIN {
			RS = ""
			FS = "\n"
			split("ACTION DEVPATH SUBSYSTEM SEQNUM MAJOR MINOR DEVNAME DEVTYPE DISKSEQ PARTUUID", names, " ")
			for (i in names)
				usual[names[i]]
		}
		{
			delete has
			more = ""
			for (i = 2; i <= NF; i++) {
				name = substr($i, 1, index($i, "=") - 1)
				has[name] = substr($i, length(name) + 2)
				if (!(name in usual))
					more = more " " $i
			}
		}
		has["SYNTH_UUID"] == to { exit }
		has["SYNTH_UUID"] == from { on = 1 }
		!on || has["SYNTH_UUID"] != "" { next }
		index(has["DEVPATH"] "/", "/block/" disk "/") {
			count = split(has["DEVPATH"], parts, "/")
			name = parts[count]
			if (name == disk)
				name = "disk"
			else if (index(name, disk) == 1)
				name = substr(name, length(disk) + 1)
			print has["ACTION"], name more
		}' "$TMP/monitor")
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

# times: mtime and ctime of $IMG, in seconds.
times()
{
	stat -c '%.9Y %.9Z' "$IMG"
}

# old: $IMG is of 2001 from now on; before are its times.
old()
{
	touch -m -d 2001-01-01 "$IMG"
	# shellcheck disable=SC2034 # The tests compare with it.
	before=$(times)
}

# moved: mtime and ctime of $IMG are both others than before.
moved()
{
	local mtime ctime old_mtime old_ctime

	read -r old_mtime old_ctime <<<"$before"
	read -r mtime ctime <<<"$(times)"
	[[ $mtime != "$old_mtime" && $ctime != "$old_ctime" ]]
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

# inflight READS WRITES: so many requests of $DEV are under way.
inflight()
{
	[[ $(xargs <"$SYS/inflight") == "$1 $2" ]]
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

# failing_img SIZE [ATTRIBUTE=VALUE...]: IMG is a file below $FS, all of it
# written. Writes of its blocks, but not what else is on the disk, can be made
# to fail. Attributes are those of "nullb".
failing_img()
{
	need_module dm_flakey
	nullb loopfail size=64 "${@:2}"
	DM_GOOD="0 131072 linear $NULLB 0"
	dm loop-selftest "$DM_GOOD"
	LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 64
	# The journal is written when it is asked for only.
	mount -o remount,commit=600 "$FS"
	written_img "$1"
	DM_BAD=$(blocks_of "$IMG" | tr -c '0-9\n' ' ' | sort -n -k 3 |
		awk -v disk="$NULLB" '
			function part(end, how) {
				if (end > at)
					print at, end - at, how[1], disk, at, how[2]
				at = end
			}
			BEGIN {
				at = 0
				good[1] = "linear"
				bad[1] = "flakey"
				bad[2] = "0 1000000 1 error_writes"
			}
			{ part($3, good); part($4 + 1, bad) }
			END { part(131072, good) }')
}

data_fails()
{
	dm_table loop-selftest "$DM_BAD"
}

data_works()
{
	dm_table loop-selftest "$DM_GOOD"
}

# writeback_fails FILE: writes to FILE, $DEV or its $IMG, and has the kernel fail
# to write that to the disk, which works again then.
writeback_fails()
{
	local direct=

	[[ $1 == "$IMG" ]] || direct=-d
	io $direct "$1" fill 2 0 64K
	data_fails
	# He who syncs the filesystem is told; nobody syncs the file.
	fails sync -f "$FS"
	data_works
}

# requests DISK COMMAND...: REQUESTS are those that the disk's driver gets
# meanwhile, one a line: R, W or so, bytes, I/O priority (class, hint, level).
requests()
{
	local dir=/sys/kernel/tracing dev

	mountpoint -q $dir || mount -t tracefs tracefs $dir || skip "no tracefs"
	[[ -d $dir/events/block/block_rq_issue ]] || skip "no block_rq_issue"
	dev=$(($(stat -L -c "(%Hr << 20) + %Lr" "$1")))
	shift
	# Once: each time the kernel's text is patched, which QEMU without KVM does
	# not always survive.
	[[ -n $TRACE ]] || {
		TRACE=$dir/instances/loop-selftest
		mkdir "$TRACE"
		echo 0 >"$TRACE/tracing_on"
		echo 1 >"$TRACE/events/block/block_rq_issue/enable"
	}
	echo "dev == $dev" >"$TRACE/events/block/block_rq_issue/filter"
	: >"$TRACE/trace"
	echo 1 >"$TRACE/tracing_on"
	"$@"
	echo 0 >"$TRACE/tracing_on"
	REQUESTS=$(sed -n 's/.*block_rq_issue: [0-9,]* \([A-Z]*\) .* + \([0-9]*\) \([a-z]*,[0-9]*,[0-9]*\) .*/\1 \2 \3/p' \
		"$TRACE/trace" | awk '{ print $1, $2 * 512, $3 }')
}

# keeps_priority R|W DISK BYTES OPERATION...: what "loop_io $DEV" reads or writes
# goes to the disk as so many bytes, at least, with the priority of who does it.
# All that is read has that.
keeps_priority()
{
	local op=$1 disk=$2 bytes=$3 class

	need ionice
	shift 3
	# The last one is what all have who ask for none.
	for class in "rt,0,2 ionice -c 1 -n 2" "idle,0,7 ionice -c 3" \
		"be,0,6 ionice -c 2 -n 6" "be,0,4 env"; do
		[[ $op != R ]] || io "$IMG" drop
		# shellcheck disable=SC2086 # A command with its options.
		requests "$disk" ${class#* } loop_io -d "$DEV" "$@"
		echo "$REQUESTS" | awk -v op="$op" -v class="${class%% *}" -v bytes="$bytes" '
			index($1, op) == 1 && $3 == class { sum += $2; next }
			op == "R" && /^R/ { other = 1 }
			END { exit other || sum < bytes }' ||
			fail "$(tr '\n' ';' <<<"$REQUESTS") of ${class%% *}, $*"
	done
}

# fuse_img SIZE [SECONDS]: IMG is a file whose filesystem does as the test wants.
# What it says of the file is asked for again after so many seconds, if given.
fuse_img()
{
	[[ -c /dev/fuse ]] || need_module fuse
	mkdir "$TMP/fuse"
	# It must not keep a device open.
	loop_fuse "$TMP/fuse" "$@" >"$TMP/fuse.log" 7>&- 8>&- &
	FUSE=$!
	poll 20 mountpoint -q "$TMP/fuse" || fail "loop_fuse does not mount"
	IMG=$TMP/fuse/img
}

# fuse COMMAND...: has it do so; see loop_fuse.c.
fuse()
{
	echo "$*" >"$TMP/fuse/control"
}

# fuse_saw REQUEST: waits for a request, see loop_fuse.c.
fuse_saw()
{
	poll 20 grep -q "^$1" "$TMP/fuse.log" || fail "no \"$1\" arrived"
}

# fuse_abort: the kernel is told to give its filesystem up.
fuse_abort()
{
	local control=/sys/fs/fuse/connections

	[[ -n $(ls $control) ]] || mount -t fusectl none $control
	echo 1 >"$control/$(mountpoint -d "$TMP/fuse" | cut -d : -f 2)/abort"
}

# fault NAME VALUE: sets it for all kinds of failures that "faults" has prepared.
fault()
{
	local kind

	for kind in $FAULTS; do
		[[ ! -e $kind/$1 ]] || echo "$2" >"$kind/$1"
	done
}

# faults: allocations in the driver, and in what it calls, can be made to fail:
# by /proc/self/fail-nth, and at random with "fault probability".
faults()
{
	local debug=/sys/kernel/debug text

	[[ -e /proc/self/make-it-fail ]] || skip "no fault injection"
	mountpoint -q $debug || mount -t debugfs debugfs $debug
	[[ -e $debug/failslab/require-start && -d $debug/fail_page_alloc ]] ||
		skip "no failslab, fail_page_alloc or filter for stack traces"
	# Where the driver's code is; it ends within the page of its last function.
	text=$(awk '$4 == "[loop]" && $2 ~ /[tT]/ { print $1 }' /proc/kallsyms | sort)
	[[ -n $text ]] || skip "no symbols of the driver"
	FAULTS="$debug/failslab $debug/fail_page_alloc $debug/fail_usercopy"
	fault verbose 0
	fault stacktrace-depth 32
	fault probability 0
	fault require-start "0x${text%%$'\n'*}"
	fault require-end "$(printf '0x%x' $(((0x${text##*$'\n'} | 4095) + 4097)))"
	fault ignore-gfp-wait N
	fault ignore-gfp-highmem N
	fault min-order 0
	fault times -1
	# udev would open devices, and they are bound then until it is done. From
	# here on there is no "settle".
	settle
	udevadm control --stop-exec-queue
}

# each_failing DEVICE OPERATION...: "loop_ioctl -n", in which something has to fail.
each_failing()
{
	loop_ioctl -n "$@" | tee "$TMP/failed"
	grep -q ': failed [1-9]' "$TMP/failed" || fail "nothing failed: $*"
}

# cgroup NAME...: makes cgroups in which block I/O and memory are accounted.
cgroup()
{
	local name c

	CGROUP_ROOT=$(findmnt -n -f -t cgroup2 -o TARGET) || skip "no cgroup2"
	for c in io memory; do
		grep -qw $c "$CGROUP_ROOT/cgroup.controllers" ||
			skip "no cgroup controller $c"
		echo +$c >"$CGROUP_ROOT/cgroup.subtree_control"
	done
	for name; do
		mkdir "$CGROUP_ROOT/loop-selftest-$name"
		CGROUPS+=("$CGROUP_ROOT/loop-selftest-$name")
	done
}

# in_cgroup NAME PROGRAM...: runs it in a cgroup.
in_cgroup()
(
	echo "$BASHPID" >"$CGROUP_ROOT/loop-selftest-$1/cgroup.procs"
	shift
	exec "$@"
)

# no_cgroup NAME...: removes cgroups in which no process is left.
no_cgroup()
{
	local name i

	for name; do
		poll 20 rmdir "$CGROUP_ROOT/loop-selftest-$name" ||
			fail "cgroup $name cannot be removed"
		for i in "${!CGROUPS[@]}"; do
			[[ ${CGROUPS[i]} != */loop-selftest-$name ]] || unset "CGROUPS[i]"
		done
	done
}

# dying: how many removed cgroups the kernel still has.
dying()
{
	awk '$1 == "nr_dying_descendants" { print $2 }' "$CGROUP_ROOT/cgroup.stat"
}

# few_dying COUNT: no more than that, without what the page cache keeps.
few_dying()
{
	echo 3 >/proc/sys/vm/drop_caches
	(($(dying) <= $1))
}

# io_bytes NAME DEVICE KEY: what io.stat says of a cgroup's I/O to a device.
io_bytes()
{
	awk -v dev="$(($(stat -L -c %Hr "$2"))):$(($(stat -L -c %Lr "$2")))" -v key="$3" '
		$1 == dev {
			for (i = 2; i <= NF; i++)
				if (index($i, key "=") == 1)
					bytes = substr($i, length(key) + 2)
		}
		END { print bytes + 0 }' "$CGROUP_ROOT/loop-selftest-$1/io.stat"
}

# io_limit NAME DEVICE LIMIT...: sets io.max.
io_limit()
{
	local dev

	dev=$(($(stat -L -c %Hr "$2"))):$(($(stat -L -c %Lr "$2")))
	echo "$dev ${*:3}" >"$CGROUP_ROOT/loop-selftest-$1/io.max" ||
		skip "no io.max"
}

# cached_bytes NAME: how much page cache is charged to a cgroup.
cached_bytes()
{
	awk '$1 == "file" { print $2 }' \
		"$CGROUP_ROOT/loop-selftest-$1/memory.stat"
}

# between WHAT NUMBER LOW HIGH: it has to be in this range.
between()
{
	(($2 >= $3 && $2 <= $4)) || fail "$1 is $2, expected $3 to $4"
}

# held: $DEV is a device whose mutex is held, by $HOLDER, until "dmsetup resume
# loop-selftest". Descriptor 7 is open on it, for those who cannot open it now.
held()
{
	nullb loopsig size=16
	dm loop-selftest "0 32768 linear $NULLB 0"
	attach /dev/mapper/loop-selftest flags=$DIRECT_IO
	settle
	exec 7<>"$DEV"
	# Dirty pages, which nothing reads or writes until it is asked to.
	io "$DEV" fill 1 0 64K
	dmsetup suspend --nolockfs loop-selftest
	# This waits for them to be written, with the mutex in its hands.
	background loop_ioctl fd:7 set-status64 offset=4096
	# shellcheck disable=SC2034 # The tests wait for it.
	HOLDER=$!
	poll 20 mutex_is_held || fail "nothing holds the mutex of $DEV"
}

mutex_is_held()
{
	! timeout -s KILL 1 loop_ioctl fd:7 get-status64
}

# ended PID: the process has ended, if only its parent has not yet noticed.
ended()
{
	[[ ! -e /proc/$1 ]] ||
		[[ $(awk '/^State/ { print $2 }' "/proc/$1/status") == [ZX] ]]
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
	# Whoever has just been told of a device may still look at it. Where it is
	# gone by then, that would load the module.
	is_quiet || settle
	poll 20 rmmod loop || fail "rmmod loop"
}

# need_unload: the module can go, and comes back as it was after the test.
# Nothing else loads it meanwhile: udev may come late to a node that is gone,
# and opening that would.
need_unload()
{
	local p

	grep -q '^loop ' /proc/modules || skip "loop is not a module"
	((${#BOUND_BEFORE[@]} == 0)) || skip "loop devices are in use"
	RELOAD=()
	for p in max_part hw_queue_depth nr_hw_queues poll_queues pinned; do
		[[ ! -f /sys/module/loop/parameters/$p ]] ||
			RELOAD+=("$p=$(<"/sys/module/loop/parameters/$p")")
	done
	MODPROBE=$(</proc/sys/kernel/modprobe)
	cat >"$TMP/modprobe" <<-SCRIPT
		#!/bin/sh
		case "\$*" in
		*block-major-7-* | *char-major-10-237*) exit 1 ;;
		esac
		exec $MODPROBE "\$@"
	SCRIPT
	chmod +x "$TMP/modprobe"
	echo "$TMP/modprobe" >/proc/sys/kernel/modprobe
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
	# Where memory is made to be missing vmalloc() says so, with a trace.
	dmesg | awk -v mark="$MARK" -v faults="$FAULTS" '
		seen && faults != "" && /Call Trace/ { next }
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
	if [[ -n $FAULTS ]]; then
		fault probability 0
		fault require-start 0
		fault require-end 0xffffffffffffffff
		udevadm control --start-exec-queue
	fi
	for i in "${SWAPS[@]}"; do
		swapoff "$i"
	done
	# What hangs in a suspended device, or for a thaw, cannot be killed.
	[[ -z $FROZEN ]] || fsfreeze -u "$FROZEN"
	for i in "${DMS[@]}"; do
		dmsetup resume "$i" 2>/dev/null
	done
	[[ -z $TRACE ]] || rmdir "$TRACE"
	if [[ -n $FUSE ]]; then
		kill "$FUSE" 2>/dev/null
		wait "$FUSE" 2>/dev/null
	fi
	for i in "${CGROUPS[@]}"; do
		awk '{ print $1, "rbps=max wbps=max" }' "$i/io.max" |
			while read -r line; do echo "$line" >"$i/io.max"; done
		echo 1 >"$i/cgroup.kill"
	done
	for i in "${JOBS[@]}"; do
		kill "$i" 2>/dev/null
		wait "$i" 2>/dev/null
	done
	for i in "${CGROUPS[@]}"; do
		poll 10 find "$i" -depth -type d -exec rmdir {} + || left=1
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
		echo "$MODPROBE" >/proc/sys/kernel/modprobe
	else
		detach_leftovers || left=1
		remove_new_devices || left=1
	fi
	# Not busy any more unless the driver has kept a backing file.
	if [[ -n $FUSE ]] && grep -q " $TMP/fuse fuse" /proc/mounts; then
		poll 10 umount "$TMP/fuse" || {
			say "left behind: a file in $TMP/fuse is in use"
			umount -l "$TMP/fuse"
			left=1
		}
	fi
	for ((i = 0; i < ${#MOUNTS[@]}; i++)); do
		[[ ${MOUNTS[i]:-} == "$TMP/fs" ]] || continue
		poll 10 umount "$TMP/fs" || {
			say "left behind: a file in $TMP/fs is in use"
			umount -l "$TMP/fs"
			left=1
		}
	done
	DMS=("${DMS[@]}")
	for ((i = ${#DMS[@]} - 1; i >= 0; i--)); do
		poll 10 dmsetup remove "${DMS[i]}" || {
			say "left behind: dm device ${DMS[i]} is in use"
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
	((rc != KSFT_FAIL)) || say "not so: ${DESCRIPTION:-}"
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
