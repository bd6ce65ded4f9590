#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where every worker of the kernel is busy and none can be made, as where memory for one waits for writeback to the device, its I/O goes on"

need taskset fsfreeze
MAX=/proc/sys/kernel/threads-max
declare -A PIDS=()

# prepare_job NAME COMMAND...: the command, on one CPU, waits to be told to go on: later nothing can fork.
prepare_job()
{
	local name=$1

	shift
	mkfifo "$TMP/go.$name"
	(
		exec 7>&-
		read -r <"$TMP/go.$name"
		exec "$@"
	) &
	PIDS[$name]=$!
	JOBS+=($!)
	taskset -p -c 0 $! >/dev/null
}

# waited COMMAND...: the command, which forks nothing, succeeds in a few seconds.
waited()
{
	local n

	for ((n = 0; n < 100 * PATIENCE; n++)); do
		! "$@" || return 0
		# A pause without a process.
		read -r -t 0.1 -u 7 || true
	done
	return 1
}

# is_blocked PID: it waits for I/O.
is_blocked()
{
	local line

	read -r line <"/proc/$1/stat"
	[[ $line == *")"\ D\ * ]]
}

has_ended()
{
	! kill -0 "$1" 2>/dev/null
}

# The end of the test, however it comes: from here on processes can be made.
end()
{
	local rc=$?

	trap - ERR
	set +eE
	echo "$max" >$MAX
	(exit $rc)
	cleanup
}

mkfifo "$TMP/tick"
exec 7<>"$TMP/tick"

# All work of this device is a worker's. What it is for needs no other one.
img 1M
io "$IMG" fill 0 0 1M
attach "$IMG"
prepare_job io loop_io -d "$DEV" fill 1 0 64K , fsync , check 1 0 64K

# Each worker that has nothing to do gets work of a device of its own, which it does not come to an end with: a write
# to a frozen filesystem, or a flush to a disk that is suspended, which runs on the CPU at hand.
writers=6
flushers=4
for comm in /proc/[0-9]*/comm; do
	read -r name 2>/dev/null <"$comm" || continue
	case $name in
	kworker/*+*) ;;
	kworker/u*) writers=$((writers + 1)) ;;
	kworker/0:*) flushers=$((flushers + 1)) ;;
	esac
done
say "$writers writers, $flushers flushers"
fs ext4 64
nullb loopmem size=64
dm loop-mem "0 131072 linear $NULLB 0"
mkdir "$TMP/dm"
mkfs.ext4 -q -F /dev/mapper/loop-mem
mounted /dev/mapper/loop-mem "$TMP/dm"
devices=("$DEV")
for ((n = 0; n < writers; n++)); do
	img 64K "$FS/$n"
	fresh_dev
	lo "$DEV" configure "$IMG"
	prepare_job "write$n" loop_io -d "$DEV" write 0 4K
	devices+=("$DEV")
done
flushed=()
for ((n = 0; n < flushers; n++)); do
	img 64K "$TMP/dm/$n"
	fresh_dev
	lo "$DEV" configure "$IMG"
	prepare_job "flush$n" loop_io "$DEV" fsync
	devices+=("$DEV")
	flushed+=("$IMG")
done
settle
for file in "${flushed[@]}"; do
	io "$file" fill 1 0 64K
done
frozen "$FS"
dmsetup suspend --nolockfs --noflush loop-mem

read -r max <$MAX
trap end EXIT
echo 20 >$MAX
for name in "${!PIDS[@]}"; do
	[[ $name != io ]] || continue
	echo >"$TMP/go.$name"
	waited is_blocked "${PIDS[$name]}" || fail "job $name does not wait"
done
echo >"$TMP/go.io"
waited has_ended "${PIDS[io]}" || fail "I/O waits for a worker"
echo "$max" >$MAX

thawed
dmsetup resume loop-mem
for name in "${!PIDS[@]}"; do
	wait "${PIDS[$name]}" || fail "job $name"
done
detach_dev "${devices[@]}"
umounted "$TMP/dm"
dm_gone loop-mem
exec 7>&-
