#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing file whose fsync hangs does not stop reads"

fuse_img 1M
for flags in 0 $DIRECT_IO; do
	attach_quietly "$IMG" flags="$flags"
	io -d "$DEV" fill 1 0 64K
	fuse hold fsync
	io "$DEV" fsync &
	syncer=$!
	JOBS+=("$syncer")
	fuse_saw "held fsync"
	io -d "$DEV" check 1 0 64K , zero 512K 64K , hold "touch $TMP/read" &
	reader=$!
	JOBS+=("$reader")
	poll 20 test -e "$TMP/read" || fail "the read waits for the fsync"
	kill -0 $syncer || fail "the fsync did not hang"
	wait $reader
	rm "$TMP/read"
	fuse release
	wait $syncer || fail "the fsync failed"
	detach
	: >"$TMP/fuse.log"
done
