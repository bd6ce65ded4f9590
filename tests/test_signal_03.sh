#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Who waits to open or remove a device, or for the chain of devices, can be killed"

img 64K
attach "$IMG"
second=$DEV
file=$IMG
held
first=$DEV
first_n=$N
N=$(lo $CONTROL get-free)
third=/dev/loop$N
poll 5 test -b "$third"

# killed SIGNAL DEVICE OPERATION...: waits, and dies of the signal.
killed()
{
	local signal=$1 pid

	shift
	loop_ioctl "$@" &
	pid=$!
	sleep 0.5
	! ended $pid || fail "did not wait: $*"
	kill -"$signal" $pid
	poll 10 ended $pid || fail "cannot be killed: $*"
	wait $pid 2>/dev/null || true
}
for signal in KILL TERM; do
	killed $signal "$first" open r
	killed $signal $CONTROL remove "$first_n"
done
# This one waits for the first device with the chain in its hands.
background loop_ioctl fd:7 clr-fd
clearer=$!
sleep 0.5
for signal in KILL TERM; do
	killed $signal "$second" clr-fd
	killed $signal "$third" set-fd "r:$second"
done
# A file is no part of a chain.
timeout 20 loop_ioctl "$third" set-fd "r:$file"
kill -KILL $clearer
fuse release
wait "$HOLDER"
# Nothing is left of all that.
lo $CONTROL remove "$first_n" =EBUSY
exec 7>&-
poll 10 lo "$first" get-status64 offset=0
lo "$second" get-status64 flags=0
detach_dev "$third"
lo "$third" set-fd "r:$second" , clr-fd
unbound "$third"
detach_dev "$first" "$second"
