#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What is read while offset or file change does not stay cached with data from the old place"

waits() { [[ $(<"/proc/$1/stat") == *') D '* ]]; }

# changed COMMAND...: runs it on $DEV while page 0 is being read.
changed()
{
	fuse hold read
	: >"$TMP/fuse.log"
	loop_io "$DEV" read 0 4096 &
	reader=$!
	JOBS+=("$reader")
	fuse_saw "held read"
	loop_ioctl "$DEV" "$@" &
	change=$!
	JOBS+=("$change")
	poll 20 waits $change || fail "$1 does not wait for the read"
	fuse release
	wait $reader || fail "the read failed"
	wait $change || fail "$1 failed"
}

fuse_img 1M
io "$IMG" fill 1 0 1M , drop
attach_quietly "r:$IMG"
changed set-status64 keep offset=64K
io "$DEV" check 1 0 64K 64K
detach

io "$IMG" drop
attach_quietly "r:$IMG"
fuse_file=$IMG
img 1M
io "$IMG" fill 2 0 1M
changed change-fd "r:$IMG"
io "$DEV" check 2 0 64K
detach
io "$fuse_file" check 1 0 64K
