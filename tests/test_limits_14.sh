#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where data must not be modified while it is written to the disk below, the device asks for that, too, in each mode that may become direct I/O; a device that is stacked on it at any time has this from it"

nullb loopstable size=64
below()
{
	echo "$1" >"/sys/block/${NULLB#/dev/}/queue/stable_writes"
}

# asks YES: so does a stacked device.
asks()
{
	limit stable_writes "$1"
	stacked loop-stacked
	same "stable_writes of the stacked device" "$(<"$(queue_of /dev/mapper/loop-stacked)/stable_writes")" "$1"
	dm_gone loop-stacked
}

# follows_below FILE
follows_below()
{
	attach_quietly "$1"
	asks 1
	lo "$DEV" set-dio 1
	asks 1
	if has_pinned && [[ ! -b $1 ]]; then
		pin 1
		asks 1
		unpin
		asks 1
	fi
	lo "$DEV" set-block-size 4096 , set-status64 offset=4096 , set-dio 0
	asks 1
	detach
	limit stable_writes 0
	attach_quietly "$1" flags=$DIRECT_IO
	asks 1
	detach
	# Nothing is written there.
	attach_quietly "r:$1" flags=$DIRECT_IO
	asks 0
	detach
}

below 1
follows_below "$NULLB"
below 0
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
below 1
written_img 2M
follows_below "$IMG"

# What the user asks for is the user's to take back.
fresh_dev
quiet
echo 1 >"$SYS/queue/stable_writes"
lo "$DEV" configure "$IMG" flags=$DIRECT_IO
detach
limit stable_writes 1
echo 0 >"$SYS/queue/stable_writes"

# The disk asks for it later, and no more.
below 0
attach_quietly "$IMG"
asks 0
below 1
lo "$DEV" set-dio 1
asks 1
below 0
lo "$DEV" set-dio 0
asks 1
lo "$DEV" set-dio 1
asks 1
detach
limit stable_writes 0
attach_quietly "$IMG" flags=$DIRECT_IO
asks 0
if has_pinned; then
	below 1
	pin 1
	asks 1
	below 0
	unpin
	asks 1
fi
detach
limit stable_writes 0

# Nothing is written to a device that is read-only, though its file could be.
if has_pinned; then
	below 1
	attach_quietly "$IMG" flags=$((DIRECT_IO | READ_ONLY))
	asks 0
	pin 1
	asks 0
	unpin
	detach
fi

# A file on overlayfs has its data in another file system.
need_module overlay
below 1
mkdir "$FS/upper" "$FS/work" "$TMP/lower" "$TMP/merged"
mv "$IMG" "$FS/upper/img"
mounted -t overlay overlay -o "lowerdir=$TMP/lower,upperdir=$FS/upper,workdir=$FS/work" "$TMP/merged"
attach_quietly "$TMP/merged/img" flags=$DIRECT_IO
asks 1
detach
umounted "$TMP/merged"
