#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="What ends pinned mode also ends filling, with ECANCELED; so does the last close"
# What does not goes on beside it.

. ./fill_common.sh

# cancelled REASON COMMAND...: the command is done at once, and ends it.
cancelled()
{
	filling ECANCELED
	timeout $((5 * PATIENCE)) "${@:2}" || fail "it waits, or fails: ${*:2}"
	not_filled
	same "pinned_reason" "$(sys loop/pinned_reason)" "$1"
}

changed="the device was changed"
for type in "${PINNABLE[@]}"; do
	slow_fs "$type"
	sparse_img 160M
	cancelled "" loop_io "$SYS/loop/pinned" put 0
	cancelled "$changed" loop_ioctl "$DEV" set-dio 0
	lo "$DEV" set-dio 1
	cancelled "$changed" loop_ioctl "$DEV" set-block-size 1024
	cancelled "$changed" loop_ioctl "$DEV" set-status64 offset=2048 , set-status64
	# It stays until the last close.
	filling ANY
	fails rmmod loop
	lo "$DEV" clr-fd
	still_filling
	loud
	unbound "$DEV"
	poll 10 ended "$FILLER" || fail "it goes on"
	disk quick
	wait "$FILLER"
	umounted "$FS"

	slow_fs "$type"
	sparse_img 96M
	cp --sparse=always "$IMG" "$FS/other"
	detach
	attach_quietly "$IMG" flags=$((DIRECT_IO | READ_ONLY))
	filling ECANCELED
	timeout $((20 * PATIENCE)) loop_ioctl "$DEV" change-fd "$FS/other" || fail "it waits, or fails"
	poll 30 ended "$FILLER" || fail "filling goes on"
	wait "$FILLER"
	disk quick
	is_pinned 0
	io -d "$DEV" check 1 0 1M
	detach
	umounted "$FS"
done
