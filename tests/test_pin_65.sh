#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="The filesystem becomes full, or the disk fails, while holes are filled: it ends with that error, and the device works"

. ./fill_common.sh

for type in "${PINNABLE[@]}"; do
	slow_fs "$type"
	sparse_img 96M
	free=$(($(stat -f -c '%a * %S' "$FS")))
	fallocate -l $((free - (40 << 20))) "$FS/other"
	io "$SYS/loop/pinned" put fill =ENOSPC
	given_up ENOSPC
	io -d "$DEV" check 1 0 1M , fill 2 1M 64K , check 2 1M 64K
	rm "$FS/other"
	sync -f "$FS"
	pin fill
	io -d "$DEV" check 1 0 1M , check 2 1M 64K , zero 2M 94M
	detach
	umounted "$FS"
done

slow_fs xfs
sparse_img 96M
filling EIO
dm_table loop-selftest "0 $SLOW_SECTORS error"
poll 30 ended "$FILLER" || fail "filling goes on"
wait "$FILLER"
is_pinned 0
disk quick
detach
umounted "$FS"
