#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Writes to a zoned disk reach it in the order in which they come, also through two devices"

need fio blkzone
nullb loopzoned size=64 zoned=1 zone_size=16 memory_backed=1
for how in "$DIRECT_IO 1" "0 1" "$DIRECT_IO 2"; do
	read -r direct devices <<<"$how"
	attach "$NULLB" flags="$direct"
	lower=$DEV
	[[ $devices = 1 ]] || attach "$lower" flags="$direct"
	settle
	# Not by io_uring: two writes that came behind later ones, once, had no REQ_NOWAIT: it had submitted them again.
	for batch in 1 16; do
		blkzone reset "$NULLB"
		fio --name="$TID" --filename="$DEV" --rw=write --bs=64k --size=48m --direct=1 --ioengine=libaio \
			--iodepth=16 --iodepth_batch_submit=$batch --clocksource=clock_gettime \
			>"$TMP/fio.log" 2>&1 || fail "$how, $batch at a time: $(<"$TMP/fio.log")"
	done
	detach
	[[ $devices = 1 ]] || detach_dev "$lower"
done
