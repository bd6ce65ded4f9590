#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While the backing filesystem looks for its free space queue limits can be read"

fuse_img 1M
new_dev
settle
fuse hold statfs
lo "$DEV" configure "$IMG" &
job=$!
JOBS+=("$job")
fuse_saw "held statfs"
cat "$SYS/queue/logical_block_size" >"$TMP/size" &
JOBS+=($!)
poll 20 test -s "$TMP/size" || fail "the limits are locked"
fuse release
wait $job || fail "LOOP_CONFIGURE failed"
detach
