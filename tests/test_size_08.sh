#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing block device that grows or shrinks is followed by LOOP_SET_CAPACITY"

need blockdev
nullb loopsize size=16
table()
{
	dmsetup suspend loop-selftest
	dmsetup reload loop-selftest --table "0 $1 linear $NULLB 0"
	dmsetup resume loop-selftest
}
dm loop-selftest "0 8192 linear $NULLB 0"
lower=/dev/mapper/loop-selftest
io "$lower" fill 1 0 4M
for direct in 0 $DIRECT_IO; do
	attach "$lower" offset=4096 flags="$direct"
	lo "$DEV" size $((4194304 - 4096))
	table 16384
	lo "$DEV" size $((4194304 - 4096)) , set-capacity , size $((8388608 - 4096))
	io "$DEV" check 1 0 1M 4096
	table 4096
	lo "$DEV" set-capacity , size $((2097152 - 4096))
	table 8192
	# LOOP_SET_STATUS looks only if offset or limit change.
	lo "$DEV" set-status64 keep file_name=x , size $((2097152 - 4096)) , \
		set-status64 offset=8192 , size $((4194304 - 8192))
	detach
done
