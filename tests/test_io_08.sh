#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O on a block device: who reads that device itself, through its page cache, sees what was written, where it had been cached before; and dirty pages are read"

nullb loopio size=64
attach "$NULLB" flags=$DIRECT_IO
io -d "$DEV" fill 1 0 16M
io "$NULLB" check 1 0 16M
# All of it is cached now, and has to get out again.
io -d -b 4096 "$DEV" fill 2 0 4M
io -d "$DEV" fill 2 4M 12M
io "$NULLB" check 2 0 16M
# What is written to the cache alone is what the device reads.
io "$NULLB" fill 3 64K 64K
io -d -b 4096 "$DEV" check 2 0 64K , check 3 64K 64K , check 2 128K 64K

# Beside somebody who keeps caching it. What a reader gets then is not certain, with C neither.
while :; do
	loop_io "$NULLB" read 0 64K >/dev/null
done &
reader=$!
JOBS+=("$reader")
for seed in {10..40}; do
	io -d -b 4096 "$DEV" fill "$seed" 0 64K
	io -d "$DEV" check "$seed" 0 64K
done
kill "$reader"
wait "$reader" 2>/dev/null || true
io -d -b 4096 "$DEV" fill 40 0 64K
io "$NULLB" check 40 0 64K

# A device that became read-only is not written to.
blockdev --setro "$NULLB"
io -d "$DEV" write 0 4096 =EIO
blockdev --setrw "$NULLB"
io -d "$DEV" check 40 0 64K
detach
