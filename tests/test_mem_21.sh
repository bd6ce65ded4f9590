#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device that is read-only has one thread of its own, which helps out where there is no memory; it can be synced, and becomes writable later"

# threads: THREADS are so many of loop devices.
threads()
{
	THREADS=$(cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^kworker/R-loop' || true)
}

# more NUMBER: so many more than BEFORE.
more()
{
	threads
	((THREADS == BEFORE + $1))
}

threads
BEFORE=$THREADS
fresh_dev
img 1M
io "$IMG" fill 1 0 1M
lo "$DEV" configure "r:$IMG" flags=$READ_ONLY
poll 5 more 1 || fail "$((THREADS - BEFORE)) threads"
limit write_cache "write through"
io "$DEV" check 1 0 1M , fsync
detach

lo "$DEV" configure "$IMG"
limit write_cache "write back"
io "$DEV" fill 2 0 1M , fsync
io -d -s "$DEV" fill 3 0 64K
io "$IMG" check 3 0 64K , check 2 64K 960K
detach
