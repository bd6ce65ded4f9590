#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A flush of the device reaches the disk below the file, also with direct I/O"

# The number of flushes a disk has done.
flushes()
{
	local stat

	read -ra stat <"/sys/block/${lower#/dev/}/stat"
	echo "${stat[15]}"
}

img 4M
attach "$IMG"
lower=$DEV
attach "$lower"
same "write cache" "$(sys queue/write_cache)" "write back"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	before=$(flushes)
	io -d "$DEV" fill 1 0 64K
	io "$DEV" fill 1 64K 64K , fsync
	after=$(flushes)
	((after > before)) || fail "no flush with dio=$dio"
	io "$DEV" fdatasync
	((after <= $(flushes))) || fail "flushes went from $after to less"
done
detach
detach_dev "$lower"
