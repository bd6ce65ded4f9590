#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What goes on to a block device is traced as remapped (block_bio_remap), by blktrace, too"

# remapped OPERATION...: REMAPPED are the sectors of $DEV that "loop_io $DEV" has the disk serve, as "to <- from".
remapped()
{
	local dir=/sys/kernel/tracing

	mountpoint -q $dir || mount -t tracefs tracefs $dir || skip "no tracefs"
	[[ -n $TRACE ]] || {
		TRACE=$dir/instances/loop-selftest
		mkdir "$TRACE"
		echo 1 >"$TRACE/events/block/block_bio_remap/enable"
	}
	: >"$TRACE/trace"
	io -d "$DEV" "$@"
	REMAPPED=$(sed -n "s/.*block_bio_remap: [0-9,]* [A-Z]* \([0-9]* + [0-9]*\) <- (7,$N) \([0-9]*\)/\1 <- \2/p" \
		"$TRACE/trace")
}

nullb loopio size=64
attach_quietly "$NULLB" flags=$DIRECT_IO offset=1048576
remapped read 64K 4K
same "a read" "$REMAPPED" "2176 + 8 <- 128"
remapped write 128K 64K
same "a write" "$REMAPPED" "2304 + 128 <- 256"
detach

has_pinned || exit 0
nullb looppin size=64
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
written_img 1M
attach_quietly "$IMG" flags=$DIRECT_IO
pin 1
remapped read 512K 4K
[[ $REMAPPED =~ ^[0-9]+\ \+\ 8\ \<-\ 1024$ ]] || fail "a pinned read: $REMAPPED"
detach
