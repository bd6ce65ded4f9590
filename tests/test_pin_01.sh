#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="On and off on each filesystem: what the attributes say, and the data stays"

need filefrag
for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 8M
	attach "$IMG" flags=$DIRECT_IO
	is_pinned 0
	same "pinned_reason" "$(sys loop/pinned_reason)" ""
	same "mode" "$(stat -c %a "$SYS/loop/pinned")" 644
	before=$(blocks_of "$IMG")
	pin 1
	# Once more changes nothing.
	unchanged pin 1
	io -d "$DEV" check 1 0 8M , fill 2 1M 2M , check 2 1M 2M , fsync
	# With a newline, as from a shell.
	echo 0 >"$SYS/loop/pinned"
	is_pinned 0
	unchanged unpin
	io -d "$DEV" check 1 0 1M , check 2 1M 2M , check 1 3M 5M , fill 3 0 64K
	echo 1 >"$SYS/loop/pinned"
	is_pinned 1
	io -d "$DEV" check 3 0 64K , fill 4 4M 64K
	io "$SYS/loop/pinned" put 2 =EINVAL , put on =EINVAL , put -1 =EINVAL , put " " =EINVAL
	is_pinned 1
	detach
	io "$IMG" check 3 0 64K , check 2 1M 2M , check 4 4M 64K
	same "blocks" "$(blocks_of "$IMG")" "$before"
	umounted "$FS"
done
