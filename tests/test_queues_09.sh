#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Settings of a device are written and read while it is attached, written to, detached, removed and made again"

# until_stopped COMMAND...: again and again, whatever comes of it.
until_stopped()
{
	while [[ ! -e $TMP/stop ]]; do
		"$@" >/dev/null 2>&1 || true
	done
}

counter=0
store()
{
	counter=$((counter + 1))
	loop_io "$SYS/settings/nr_hw_queues" put $((counter % 4 + 1))
	loop_io "$SYS/settings/poll_queues" put $((counter % 3))
}

look()
{
	grep -s . "$SYS"/settings/* "$SYS"/mq/*/* "$SYS"/queue/*
}

# Of another one, which is not made again, so that its requests find a device.
write_and_read()
{
	loop_io -d "$busy" write 0 4K
	dd if="$busy" of=/dev/null bs=64K count=8
}

bind()
{
	loop_ioctl "$1" configure "$2" , clr-fd
}

renew()
{
	loop_ioctl $CONTROL remove "$N" , add "$N"
}

fresh_dev
busy=$DEV
img 1M busy
busy_file=$IMG
fresh_dev
img 1M
io "$IMG" fill 1 0 1M
jobs=()
for job in "store" "store" "look" "bind $DEV $IMG" "bind $DEV $IMG" "bind $busy $busy_file" "renew" \
	"write_and_read" "write_and_read"; do
	# shellcheck disable=SC2086 # A command with its arguments.
	background until_stopped $job
	jobs+=("${JOBS[-1]}")
done
SYS=/sys/block/${busy#/dev/}
background until_stopped store
jobs+=("${JOBS[-1]}")
sleep $((10 * PATIENCE))
: >"$TMP/stop"
for job in "${jobs[@]}"; do
	poll 60 ended "$job" || fail "a job hangs"
done
settle

[[ -d /sys/block/loop$N ]] || lo $CONTROL add "$N" >/dev/null
for DEV in "$busy" "/dev/loop$N"; do
	SYS=/sys/block/${DEV#/dev/}
	unbound "$DEV"
	set_queues 2 1
	lo "$DEV" configure "$IMG"
	queue_settings 2 1
	hw_queues 2 1
	io -d "$DEV" check 1 0 1M , fill 1 0 1M , fsync , check 1 0 1M
	detach
done
