#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What a user has set of the queue survives changes, except what follows from the file"

img 4M
cp "$IMG" "$TMP/other"
# It keeps all this for ever: so it has to be a new one, which goes at the end.
fresh_dev
lo "$DEV" set-fd "r:$IMG"
queue()
{
	echo "$2" >"$SYS/queue/$1"
	limit "$1" "$2"
}
queue max_sectors_kb 64
queue discard_max_bytes 1048576
queue nomerges 2
queue iostats 0
queue rq_affinity 2
queue stable_writes 1
queue add_random 1
queue nr_requests 32
queue rotational 1
kept()
{
	limit max_sectors_kb 64
	limit discard_max_bytes 1048576
	limit nomerges 2
	limit iostats 0
	limit rq_affinity 2
	limit stable_writes 1
	limit nr_requests 32
}
kept
lo "$DEV" set-dio 1 , set-dio 0 , set-status64 offset=512 , set-status64 , \
	set-capacity , change-fd "r:$TMP/other"
kept
# Not touched so far.
limit rotational 1
lo "$DEV" set-block-size 4096
kept
limit rotational 0
limit max_hw_sectors_kb 1280
detach
kept
# Not "attach", which takes any free device.
lo "$DEV" set-fd "$IMG"
kept
lo "$DEV" set-block-size 513 =EINVAL
kept
detach

# The write cache can be hidden, and is then for the next file, too.
fresh_dev
lo "$DEV" set-fd "$IMG"
limit write_cache "write back"
queue write_cache "write through"
lo "$DEV" set-block-size 2048 , set-dio 1
limit write_cache "write through"
detach
lo "$DEV" set-fd "$IMG"
limit write_cache "write through"
queue write_cache "write back"
detach
