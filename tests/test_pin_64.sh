#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="The filesystem is frozen while holes are filled: that waits, also for its end, and reads, opens, a kill and a detach do not"
# After a shutdown it fails.

. ./fill_common.sh

stands_still()
{
	local before

	before=$(sys loop/pinned_progress)
	sleep 1
	[[ $(sys loop/pinned_progress) == "$before" ]]
}

over()
{
	poll 30 ended "$FILLER" || fail "it goes on"
	disk quick
}

for type in "${PINNABLE[@]}"; do
	slow_fs "$type"
	sparse_img 64M
	filling OK
	frozen "$FS"
	poll 20 stands_still || fail "it goes on while the filesystem is frozen"
	still_filling
	timeout $((5 * PATIENCE)) loop_io -d "$DEV" check 1 0 1M
	timeout $((5 * PATIENCE)) loop_ioctl "$DEV" open rw , set-status64
	thawed
	filled
	io -d "$DEV" check 1 0 1M , zero 1M 63M
	unpin
	io -d "$DEV" discard 1M 63M

	filling ANY
	frozen "$FS"
	if [[ $type == xfs ]]; then
		kill -KILL "$FILLER"
		poll 10 ended "$FILLER" || fail "it cannot be killed"
		detach
	else
		loud
		lo "$DEV" clr-fd
		unbound "$DEV"
	fi
	thawed
	over
	umounted "$FS"
done

slow_fs ext4
sparse_img 64M
filling EIO
io "$FS" shutdown
over
wait "$FILLER"
is_pinned 0
detach
umounted "$FS"
