#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="poll_queues: what is polled for on the device is polled for on the disk below, if that can be"

# polled [OPTION...]: reads that are polled for.
polled()
{
	fio --name="$TID" --filename="$DEV" --rw=randread --bs=4k --size=1m --direct=1 --ioengine=io_uring \
		--hipri=1 --clocksource=clock_gettime "$@" >"$TMP/fio.log" 2>&1
}

need fio
need_unload
unload_loop
for value in =-1 =x ""; do
	fails load_loop "poll_queues$value"
done
load_loop
img 1M
io "$IMG" fill 1 0 1M
attach "$IMG" flags=$DIRECT_IO
limit io_poll 0
fails polled --number_ios=8
detach

unload_loop
load_loop poll_queues=2147483647 nr_hw_queues=1
cpus=$(<"/sys/devices/system/cpu/possible")
cpus=$((${cpus##*-} + 1))
# Without somebody who polls, each read takes so many milliseconds.
nullb looppoll size=16 irqmode=2 completion_nsec=$((200000000 * PATIENCE))
limit_of_null=$(<"/sys/block/${NULLB#/dev/}/queue/io_poll")
((limit_of_null)) || skip "null_blk cannot be polled"
attach "$NULLB" flags=$DIRECT_IO
limit io_poll 1
dirs=("/sys/block/${DEV#/dev/}"/mq/*)
same "queues" ${#dirs[@]} $((1 + cpus))
settle
SECONDS=0
polled --number_ios=100 || fail "$(<"$TMP/fio.log")"
((SECONDS < 15 * PATIENCE)) || fail "100 reads took $SECONDS s"
# All that is not polled for still ends.
io -d "$DEV" fill 1 0 16K , check 1 0 16K , fsync
detach

# What the disk below cannot poll for ends by itself; so does what goes another way than by bios.
dm loop-selftest "0 32768 delay $NULLB 0 0"
for file in /dev/mapper/loop-selftest "$IMG"; do
	attach "$file" flags=$DIRECT_IO
	polled --number_ios=2 || fail "$(<"$TMP/fio.log")"
	detach
done

# Many at once, with others in between.
nullb looppoll2 size=64
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
written_img 16M
for file in "$IMG" "$NULLB"; do
	[[ -f $file ]] || umounted "$FS"
	attach "$file" flags=$DIRECT_IO
	[[ -b $file ]] || ! has_pinned || pin 1
	fio_verify "$DEV" --ioengine=io_uring --hipri=1 --direct=1 --numjobs=2 --size=8m --offset_increment=8m \
		--bsrange=4k-64k --iodepth=8
	fio_verify "$DEV" --ioengine=io_uring --direct=1 --size=8m --iodepth_batch_submit=1 --iodepth=32 --hipri=1
	detach
done
