#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A cgroup's io.max on the backing disk slows that cgroup down, and not another one"

gone() { ! kill -0 "$1" 2>/dev/null; }

# limited LIMIT OPERATION...: a, with one byte a second, does not get there while
# b does.
limited()
{
	local a b

	io_limit a "$NULLB" "$1=1"
	in_cgroup a loop_io -d "$DEV" "${@:2}" 0 1M &
	a=$!
	JOBS+=("$a")
	in_cgroup b loop_io -d "$DEV" "${@:2}" 8M 1M &
	b=$!
	JOBS+=("$b")
	poll 30 gone $b || fail "$1 of a holds b back"
	wait $b || fail "b failed"
	# Without a limit a would be as fast as b.
	sleep 3
	! gone $a || fail "$1 does not hold a back"
	io_limit a "$NULLB" "$1=max"
	wait $a || fail "a failed"
}

cgroup a b
LOOP_SCRATCH_DEV=''
fs ext4
img 16M "$FS/img"
io "$IMG" fill 1 0 16M , drop
attach "$IMG" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
limited wbps fill 2
limited rbps check 2
lo "$DEV" set-dio 0
limited rbps check 2
detach
