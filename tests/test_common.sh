#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What all loop tests share. A test sources this file, which prepares a scratch
# directory (a tmpfs of its own) in $TMP, and then runs commands; the first one
# that fails ends the test as failed. However it ends, processes, mounts,
# device-mapper and null_blk devices and loop devices made meanwhile are taken
# away. A test that leaves something behind by itself fails, and so does one
# during which the kernel logged a warning. How tests end and wait is here, and
# what is taken away in which order; the rest is in the files that it sources.
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
PATIENCE=${LOOP_PATIENCE:-1}

TMP=
JOBS=()

# The functions, by what they are about.
. "$HERE/cgroup_common.sh"
. "$HERE/device_common.sh"
. "$HERE/disk_common.sh"
. "$HERE/event_common.sh"
. "$HERE/fault_common.sh"
. "$HERE/file_common.sh"
. "$HERE/fs_common.sh"
. "$HERE/fuse_common.sh"
. "$HERE/limits_common.sh"
. "$HERE/module_common.sh"
. "$HERE/partition_common.sh"
. "$HERE/pinned_common.sh"
. "$HERE/queue_common.sh"
. "$HERE/request_common.sh"
. "$HERE/user_common.sh"

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
	say "FAILED: line $1: $2 (status $rc)" >&2
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

# soon COMMAND...: it ends, without waiting for a thaw or the like. Returns its status.
soon()
{
	background "$@"
	poll 10 ended "${JOBS[-1]}" || fail "it hangs: $*"
	wait "${JOBS[-1]}"
}

# between WHAT NUMBER LOW HIGH: it has to be in this range.
between()
{
	(($2 >= $3 && $2 <= $4)) || fail "$1 is $2, expected $3 to $4"
}

# ended PID: the process has ended, if only its parent has not yet noticed.
ended()
{
	[[ ! -e /proc/$1 ]] ||
		[[ $(awk '/^State/ { print $2 }' "/proc/$1/status") == [ZX] ]]
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
	for i in "${MODULES[@]}"; do
		((rc)) || say "left behind: the module $i"
		left=1
		poll 20 rmmod "$i"
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
	((rc != KSFT_FAIL)) || say "not so: ${TOPIC:+$TOPIC: }${DESCRIPTION:-}"
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
	[[ $TID != test_pin_* ]] || need_pinned
}

prepare
