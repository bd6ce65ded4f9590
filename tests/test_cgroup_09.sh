#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Cgroups are killed and removed while their requests are under way"
# Nothing is left of them.

# A new device: the dirty pages of an old one belong to whoever had the most of them before.
fresh()
{
	fresh_dev
	quiet
	lo "$DEV" configure "$@"
}

# removed NAME: its processes are killed. The kernel may let go what the limit has held back.
removed()
{
	! inflight 0 0 || fail "nothing is under way"
	echo 1 >"$CGROUP_ROOT/loop-selftest-$1/cgroup.kill"
	no_cgroup "$1"
}

# works: the device is good for all that it was before.
works()
{
	poll 20 inflight 0 0 || fail "requests are left"
	in_cgroup other loop_io -d "$DEV" fill 3 0 1M , check 3 0 1M , fsync
	detach
	io "$IMG" check 3 0 1M
	poll 10 lo $CONTROL remove "$N" || fail "$DEV is in use"
}

cgroup other
before=$(dying)

# Reads can be killed while they wait for the page cache.
fuse_img 1M
cgroup a b
fresh "$IMG"
fuse hold read
in_cgroup a loop_io "$DEV" read 0 4096 >/dev/null 2>&1 &
pid=$!
JOBS+=("$pid")
fuse_saw "held read"
removed a
wait $pid || true
! inflight 0 0 || fail "the read is gone"
fuse release
works

# What is written is in the page cache of the device.
fresh "$IMG"
in_cgroup b loop_io "$DEV" fill 1 0 64K
fuse hold write
io "$DEV" fsync &
pid=$!
JOBS+=("$pid")
fuse_saw "held write"
removed b
! inflight 0 0 || fail "the write is gone"
fuse release
wait $pid || fail "b's data was not written"
io -d "$DEV" check 1 0 64K
works

LOOP_SCRATCH_DEV=''
fs ext4
img 4M "$FS/img"
io "$IMG" fill 2 0 4M , drop
for dio in 0 $DIRECT_IO; do
	cgroup a
	fresh "$IMG" flags="$dio"
	io_limit a "$NULLB" rbps=1
	in_cgroup a loop_io "$DEV" read 0 4096 >/dev/null 2>&1 &
	pid=$!
	JOBS+=("$pid")
	poll 20 inflight 1 0 || fail "no read"
	sleep 0.5
	removed a
	wait $pid || true
	works
	io "$IMG" drop
done
umounted "$FS"
poll 10 few_dying "$before" || fail "$(dying) dying cgroups, $before before"
