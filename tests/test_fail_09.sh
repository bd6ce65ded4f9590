#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem whose server dies: what waits for it fails, and all that comes; detaching works"

img 1M
attach "$IMG"
other=$DEV
fuse_img 1M
attach_quietly "$IMG" flags=$DIRECT_IO
io -d "$DEV" fill 1 0 64K
pids=()
fuse hold read
fuse hold write
fuse hold fsync
loop_io -d "$DEV" read 512K 4096 =EIO &
pids+=($!)
fuse_saw "held read"
loop_io -d "$DEV" write 64K 4096 =EIO &
pids+=($!)
fuse_saw "held write"
loop_io "$DEV" fsync =EIO &
pids+=($!)
fuse_saw "held fsync"
JOBS+=("${pids[@]}")
kill -KILL "$FUSE"
for pid in "${pids[@]}"; do
	wait "$pid" || fail "not the right error"
done
for dio in 0 1; do
	lo "$DEV" set-dio $dio =ANY >/dev/null
	io -d "$DEV" read 0 4096 =EIO , write 0 4096 =EIO , fsync =EIO
	io "$DEV" discard 0 64K =EIO , zeroout 64K 64K =EIO
done
lo "$DEV" get-status64 offset=0
io -d "$other" fill 1 0 64K , fsync , check 1 0 64K
detach
detach_dev "$other"
