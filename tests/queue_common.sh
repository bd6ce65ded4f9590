#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Hardware queues of a loop device, and the settings for its next binding. Sourced by test_common.sh.

# has_settings: whether the driver has settings for one device.
has_settings()
{
	[[ -d $SYS/settings ]]
}

# set_queues NUMBER [POLL]: the settings of $DEV for its next binding.
set_queues()
{
	io "$SYS/settings/nr_hw_queues" put "$1"
	io "$SYS/settings/poll_queues" put "${2:-0}"
}

# queue_settings NUMBER POLL: what they have to be.
queue_settings()
{
	same "settings/nr_hw_queues of $DEV" "$(sys settings/nr_hw_queues)" "$1"
	same "settings/poll_queues of $DEV" "$(sys settings/poll_queues)" "$2"
}

# hw_queues NUMBER [POLL]: so many hardware queues $DEV has to have, but no more of a kind than there are CPUs.
hw_queues()
{
	local cpus dirs=("$SYS"/mq/*) poll=${2:-0}

	cpus=$(<"/sys/devices/system/cpu/possible")
	cpus=$((${cpus##*-} + 1))
	same "queues of $DEV" ${#dirs[@]} $((($1 < cpus ? $1 : cpus) + (poll < cpus ? poll : cpus)))
	limit io_poll $((poll > 0))
}

# exec_polled OPTION...: fio in place of this shell, which reads $DEV and polls for what it reads.
exec_polled()
{
	exec fio --name="$TID" --filename="$DEV" --rw=randread --bs=4k --size=1m --direct=1 --ioengine=io_uring \
		--hipri=1 --thread --clocksource=clock_gettime "$@" >"$TMP/fio.log" 2>&1
}

# patient_poll_disk NAME: NULLB can be polled. On a slow kernel what nobody polls for takes longer than its time-out.
patient_poll_disk()
{
	nullb "$1" size=16 irqmode=2 completion_nsec=100000
	[[ $(<"/sys/block/${NULLB#/dev/}/queue/io_poll") = 1 ]] || skip "null_blk cannot be polled"
	echo 600000 >"/sys/block/${NULLB#/dev/}/queue/io_timeout"
}

# leaves_some WHEN: somebody has many reads of $DEV under way, and stops polling for them; others get through.
leaves_some()
{
	local n reader

	background exec_polled --iodepth=64 --iodepth_batch_submit=16 --time_based --runtime=600
	reader=${JOBS[-1]}
	for n in 1 2 3 4 5; do
		poll 10 eval '! inflight 0 0' || fail "nothing is read: $(<"$TMP/fio.log")"
		sleep 0.2
		kill -STOP "$reader"
		background loop_io -d "$DEV" fill "$n" 0 64K , check "$n" 0 64K , fsync
		# It could not end while the other one is stopped.
		poll 10 ended "${JOBS[-1]}" || n=hangs
		kill -CONT "$reader"
		wait "${JOBS[-1]}" || fail "loop_io"
		[[ $n != hangs ]] || fail "with $1 requests wait for those that nobody polls for"
	done
	kill "$reader"
	wait "$reader" || true
	poll 20 inflight 0 0 || fail "reads hang"
}
