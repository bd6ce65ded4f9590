#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What is polled for gets its data, and ends, while the device gets other files, pinned mode comes and goes, the disk below can be polled and cannot, and the device is detached"

# polled [OPTION...]: verified I/O that is polled for, as $poller.
polled()
{
	fio --name="$TID" --filename="$DEV" --direct=1 --ioengine=io_uring --hipri=1 --thread --bs=4k --size=4m \
		--iodepth=16 --iodepth_batch_submit=4 --numjobs=2 --offset_increment=4m --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --clocksource=clock_gettime --randseed=1 "$@" \
		>"$TMP/fio.log" 2>&1 &
	poller=$!
	JOBS+=("$poller")
}

# meanwhile COMMAND...: again and again until that has ended.
meanwhile()
{
	local times=0

	while kill -0 "$poller" 2>/dev/null; do
		"$@"
		times=$((times + 1))
	done
	wait "$poller" || fail "$(<"$TMP/fio.log")"
	say "$times times: $*"
	((times)) || fail "it was over too soon"
}

# detached OPTION...: the device is, while I/O that is polled for is under way.
detached()
{
	loud
	# fio opens it more than once.
	exec 7<"$DEV"
	polled --rate_iops=500 "$@"
	poll 10 eval "! inflight 0 0" || true
	lo "$DEV" clr-fd
	wait "$poller" || fail "$(<"$TMP/fio.log")"
	exec 7<&-
	unbound "$DEV"
}

toggle()
{
	io "$SYS/loop/pinned" put 1 , put 0
}

change()
{
	lo "$DEV" change-fd "r:$other" , change-fd "r:$disk" , change-fd "rd:$IMG" , change-fd "r:$disk"
}

flip()
{
	echo 0 >/sys/kernel/config/nullb/looppoll/poll_queues
	echo 1 >/sys/kernel/config/nullb/looppoll/poll_queues
}

need fio
need_pinned
need_unload
unload_loop
load_loop poll_queues=2
nullb looppin size=64 hw_queue_depth=8
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
written_img 8M
attach "$IMG" flags=$DIRECT_IO
polled --rw=randwrite --loops=2
meanwhile toggle
pin 1
detached --rw=randwrite

nullb looppoll size=8 hw_queue_depth=8
disk=$NULLB
# It allocates memory, which may sleep, where nothing was written yet; not so when it is polled.
io -d "$disk" fill 1 0 8M
nullb loopother size=8 hw_queue_depth=8
other=$NULLB
attach "$disk" flags=$DIRECT_IO
limit io_poll 1
polled --rw=write --loops=2
meanwhile flip
detach
dd if="$disk" of="$other" bs=1M status=none
dd if="$disk" of="$IMG" bs=1M conv=notrunc,fsync status=none
attach_quietly "r:$disk" flags=$DIRECT_IO
polled --rw=read --verify_only=0 --loops=4
meanwhile change
detached --rw=read --verify_only=0
