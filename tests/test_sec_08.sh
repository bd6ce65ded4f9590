#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A circle of devices with dm in between is not noticed: a read goes round and waits for itself, until one of the devices fails it"

need_module dm_delay dm_multipath dm_round_robin
nullb loopcircle size=16
attach "r:$NULLB" flags=$DIRECT_IO
# Few rounds, one in 300 ms: at each the read takes another request. The upper device can be made to fail while they wait.
dm loop-slow "0 32768 delay $DEV 0 300"
dm loop-paths "0 32768 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 /dev/mapper/loop-slow"
# From here on udev would read in circles, too.
quiet
io -d "$DEV" read 0 4096
lo "$DEV" change-fd rd:/dev/mapper/loop-paths
same "dio" "$(sys loop/dio)" 1

rounds()
{
	local reads

	read -r reads _ <"$SYS/inflight"
	((reads >= $1))
}

background loop_io -d "$DEV" read 0 4096 =EIO
went=0
poll 20 rounds 3 && ! ended "${JOBS[-1]}" && poll 20 rounds 5 && went=1
# In any case, so that nothing is left that waits.
dmsetup message loop-paths 0 "fail_path /dev/mapper/loop-slow"
poll 20 ended "${JOBS[-1]}" || fail "the read waits although the device has failed"
wait "${JOBS[-1]}"
((went)) || fail "the read did not go round"
same "requests" "$(xargs <"$SYS/inflight")" "0 0"
lo "$DEV" change-fd "r:$NULLB"
io -d "$DEV" read 0 4096
dm_gone loop-paths loop-slow
detach
