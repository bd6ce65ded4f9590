#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loop devices: made, attached, detached, looked at, and kept from udev. Sourced by test_common.sh.

CONTROL=/dev/loop-control
declare -A LOOPS_BEFORE=() BOUND_BEFORE=()

# Flags of struct loop_info64, for the tests.
# shellcheck disable=SC2034
{
	READ_ONLY=1
	AUTOCLEAR=4
	PARTSCAN=8
	DIRECT_IO=16
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

# inflight READS WRITES: so many requests of $DEV are under way.
inflight()
{
	[[ $(xargs <"$SYS/inflight") == "$1 $2" ]]
}

# held: $DEV is a device whose mutex is held, by $HOLDER, until "fuse release".
# Descriptor 7 is open on it, for those who cannot open it now.
held()
{
	fuse_img 16M 0
	attach "$IMG"
	settle
	exec 7<>"$DEV"
	fuse hold getattr
	# This asks for the size of the file, with the mutex in its hands.
	background loop_ioctl fd:7 set-capacity
	# shellcheck disable=SC2034 # The tests wait for it.
	HOLDER=$!
	poll 20 mutex_is_held || fail "nothing holds the mutex of $DEV"
}

mutex_is_held()
{
	! timeout -s KILL 1 loop_ioctl fd:7 get-status64
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
