#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device goes, and comes again with another file, while a limit that its file does not support waits to be changed"

need_unload
fuse_img 1M
# waiting: the change cannot be made, until "fuse release".
waiting()
{
	fuse fail punch EOPNOTSUPP
	read_hangs
	: >"$TMP/fuse.log"
	io "$DEV" discard 64K 64K
	fuse_saw "punch"
	sleep 0.5
	read_goes_on
}

attach_quietly "$TMP/fuse/img" flags=$DIRECT_IO
waiting
detach
# Another file, which can have holes.
img 1M other
io "$IMG" fill 1 0 1M
quiet
lo "$DEV" configure "$IMG"
sleep 5
[[ $(sys queue/discard_max_bytes) != 0 ]] || fail "the limit has changed for another file"
io "$DEV" discard 0 64K , fsync
io "$IMG" zero 0 64K , check 1 64K 960K
detach

quiet
lo "$DEV" configure "$TMP/fuse/img" flags=$DIRECT_IO
waiting
detach
settle
lo $CONTROL remove "$N"
lo $CONTROL add "$N" >/dev/null
quiet
lo "$DEV" configure "$IMG"
io "$DEV" check 1 64K 64K
detach
quiet
lo "$DEV" configure "$TMP/fuse/img" flags=$DIRECT_IO
waiting
detach
unload_loop
load_loop "${RELOAD[@]}"
