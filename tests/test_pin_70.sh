#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A bio is split for a device that has one request: each part reaches the disk below before the task waits for the request, to submit the next one"

need_unload
unload_loop
load_loop hw_queue_depth=1

# split: it is, on $DEV.
split()
{
	settle
	echo 4 >"$SYS/queue/max_sectors_kb"
	io -d -b 256K "$DEV" fill 1 0 1M , check 1 0 1M
}

nullb loopmem size=16
attach "$NULLB" flags=$DIRECT_IO
split
detach
if has_pinned; then
	fs ext4
	pinned_img 1M
	split
	detach
fi
