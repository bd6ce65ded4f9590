#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Device numbers that 16 bits cannot hold fail a 32-bit LOOP_GET_STATUS with EOVERFLOW"

# The lower one is 7:N with more than 8 bits of N: some of them are above major.
n=300
while [[ -d /sys/block/loop$n ]]; do
	n=$((n + 1))
done
lo $CONTROL add $n >"$TMP/n"
lower=/dev/loop$n
poll 5 test -b "$lower"
img 1M
lo "$lower" set-fd "$IMG"
rdev=$(stat -c %r "$lower")
((rdev > 0xffff)) || fail "the number of $lower is $rdev"
attach "$lower"
lo "$DEV" get-status rdevice="$rdev" , get-status64 rdevice="$rdev"
unchanged lo32 "$DEV" get-status =EOVERFLOW , get-status64 rdevice="$rdev"
unchanged lo -c "$DEV" get-status =EOVERFLOW
# Setting never looks at it.
lo32 "$DEV" set-status file_name=x , get-status64 file_name=x
detach
detach_dev "$lower"
poll 10 lo $CONTROL remove $n

# One that fits is told.
attach "$IMG"
lower=$DEV
attach "$lower"
rdev=$(stat -c %r "$lower")
((rdev > 0xffff)) || lo32 "$DEV" get-status rdevice="$rdev"
detach
detach_dev "$lower"
