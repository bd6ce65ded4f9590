#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device that is resized all the time while it is written, zeroed and opened exclusively hangs nobody"

# again COMMAND...: runs it until the test has seen enough, also if it fails.
again()
{
	until [[ -e $TMP/enough ]]; do
		"$@" || :
	done >/dev/null 2>&1
}

need fio
img 4M
attach_quietly "$IMG"
mkdir "$TMP/mnt"
# All below the smallest size.
background fio --name=write --filename="$DEV" --rw=randwrite --bs=4k --size=64K --numjobs=3 --thread --time_based \
	--runtime=$((6 * PATIENCE)) --output="$TMP/fio"
writers=${JOBS[-1]}
loops=()
for command in "loop_ioctl $DEV set-status64 sizelimit=65536 , set-status64 sizelimit=0" \
	"loop_io $DEV zeroout 4096 4096" "mount -t ext4 $DEV $TMP/mnt" "loop_ioctl $DEV set-capacity"; do
	# shellcheck disable=SC2086 # Words.
	background again $command
	loops+=("${JOBS[-1]}")
done
wait "$writers" || fail "a write failed: $(<"$TMP/fio")"
: >"$TMP/enough"
for pid in "${loops[@]}"; do
	poll 20 ended "$pid" || fail "something hangs"
done
lo "$DEV" set-status64 sizelimit=65536 , size 65536
io "$DEV" end 65536
detach
