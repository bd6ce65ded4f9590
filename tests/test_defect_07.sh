#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Limits stay while requests are on their way, also when the file cannot do what they promise.

. ./test_common.sh

# shown FILE PROCESS: the process has written there, or waits for a lock.
shown()
{
	[[ -s $1 || $(<"/proc/$2/stat") == *') D '* ]]
}

no_discard() { [[ $(sys queue/discard_max_bytes) == 0 ]]; }

fuse_img 1M
attach_quietly "$IMG" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
fuse fail punch EOPNOTSUPP
fuse hold read
io -d "$DEV" read 0 4096 &
reader=$!
JOBS+=("$reader")
fuse_saw "held read"
io "$DEV" discard 64K 64K
fuse_saw "punch"
# It can only be read when nobody is about to change it.
cat "$SYS/queue/discard_max_bytes" >"$TMP/max" &
cat=$!
JOBS+=("$cat")
poll 20 shown "$TMP/max" $cat || fail "discard_max_bytes is neither shown nor locked"
max=$(<"$TMP/max")
fuse release
wait $reader || fail "the read failed"
wait $cat
[[ $max != 0 ]] || fail "the limit has changed under a request"
poll 20 no_discard || fail "the limit stays"
detach
