#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="What a stacked device copies of the limits when its table is loaded stays the same from bind to detach: pinned mode, and whatever begins or ends it, changes none of it"

# promised DEVICE: the limits that are copied, one a line. FUA is not among them: the block layer has a flush
# take its place as long as there is a write cache.
promised()
{
	(cd "$(queue_of "$1")" &&
		grep . write_cache stable_writes zoned logical_block_size dma_alignment)
}

# stays COMMAND...: the command changes nothing of it, and a device that was stacked before has the same as one of
# after.
stays()
{
	stacked loop-before
	"$@"
	stacked_like_before
	dm_gone loop-before
}

stacked_like_before()
{
	same "limits of $DEV" "$(promised "$DEV")" "$PROMISED"
	same "limits copied before" "$(promised /dev/mapper/loop-before)" "$PROMISED"
	# A second stacked device would find $DEV claimed, so this one copies them anew.
	dm_table loop-before "0 $(blockdev --getsz "$DEV") linear $DEV 0"
	same "limits copied after" "$(promised /dev/mapper/loop-before)" "$PROMISED"
}

# The disk below has a volatile write cache, or has none.
for cache in 0 1; do
	nullb looppin$cache size=64 cache_size=$cache
	LOOP_SCRATCH_DEV=$NULLB fs ext4 64
	written_img 1M
	attach_quietly "$IMG" flags=$DIRECT_IO
	PROMISED=$(promised "$DEV")
	[[ $PROMISED == *"write_cache:write back"* ]] || fail "no write cache: $PROMISED"
	stays pin 1
	limit fua 1
	stays unpin
	limit fua 0
	stays pin fill
	stays lo "$DEV" set-status64 file_name=name
	is_pinned 1
	stays unpinned lo "$DEV" set-dio 0
	stays lo "$DEV" set-dio 1
	stays pin 1
	stays unpinned lo "$DEV" set-status64 offset=512
	stays lo "$DEV" set-status64
	stays pin 1
	stacked loop-before
	lo "$DEV" set-block-size 4096 =EBUSY
	is_pinned 1
	# The stacked device keeps its size.
	truncate -s 2M "$IMG"
	unpinned lo "$DEV" set-capacity , size 2M
	stacked_like_before
	dm_gone loop-before
	stays pin fill
	detach
	attach_quietly "$IMG" flags=$DIRECT_IO
	same "limits of $DEV" "$(promised "$DEV")" "$PROMISED"
	detach
	umounted "$FS"
done
