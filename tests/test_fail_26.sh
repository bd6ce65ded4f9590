#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Nor do switching direct I/O and attaching take an error of writeback from the next flush"

failing_img 1M
new_dev
for op in configure set-fd; do
	writeback_fails "$IMG"
	lo "$DEV" "$op" "$IMG"
	quiet
	io "$DEV" fsync =EIO , fsync
	detach
done

attach_quietly "$IMG"
for dio in 1 0; do
	file=$DEV
	((dio)) || file=$IMG
	writeback_fails "$file"
	lo "$DEV" set-dio $dio
	io "$DEV" fsync =EIO , fsync
done

# What fails while direct I/O is switched on.
io -d "$DEV" fill 3 0 64K
data_fails
lo "$DEV" set-dio 1
data_works
io "$DEV" fsync =EIO , fsync
lo "$DEV" set-dio 0

# A flush at the same time is told, or the next one.
for _ in 1 2 3 4; do
	writeback_fails "$DEV"
	loop_ioctl "$DEV" set-dio 1 &
	job=$!
	JOBS+=("$job")
	io "$DEV" fsync =ANY , fsync =ANY >"$TMP/flush"
	wait "$job"
	io "$DEV" fsync =ANY >>"$TMP/flush"
	same "errors told of" "$(grep -c EIO "$TMP/flush")" 1
	lo "$DEV" set-dio 0
done
detach
