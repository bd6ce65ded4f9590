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
