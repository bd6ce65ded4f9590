#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Many requests at once, some of them for the disk below: they do not wait for each other's tags, of which that disk has few or enough"

batches()
{
	fio_verify "$@" --iodepth=64 --iodepth_batch_submit=16 --iodepth_batch_complete_min=8 --size=8m --direct=1 \
		--bsrange=512-32k --blockalign=512
}

for tags in 128 2; do
	nullb loopq$tags size=64 hw_queue_depth=$tags irqmode=2 completion_nsec=100000
	attach "$NULLB" flags=$DIRECT_IO offset=$((32 << 20))
	batches "$DEV"
	batches "$DEV:$NULLB"
	detach
	LOOP_SCRATCH_DEV=$NULLB fs ext4 64
	written_img 8M
	attach "$IMG" flags=$DIRECT_IO
	batches "$DEV"
	if has_pinned; then
		pin 1
		batches "$DEV"
		# Reading the disk changes nothing.
		fio --name="$TID" --filename="$DEV:$NULLB" --rw=randread --bs=4k --size=8m --direct=1 --ioengine=libaio \
			--iodepth=64 --iodepth_batch_submit=16 --number_ios=2000 >"$TMP/fio.log"
	fi
	detach
	umounted "$FS"
done
