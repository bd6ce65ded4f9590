#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A process with little memory fills a file system on a loop device: all data arrives"

need mkfs.ext4
cgroup small
fs ext4
img 64M "$FS/img"
mkdir "$TMP/mnt"
for flags in 0 $DIRECT_IO; do
	attach "$IMG" flags="$flags"
	mkfs.ext4 -q -F "$DEV"
	mounted -t ext4 "$DEV" "$TMP/mnt"
	: >"$TMP/mnt/data"
	echo 16M >"$CGROUP_ROOT/loop-selftest-small/memory.high"
	in_cgroup small loop_io "$TMP/mnt/data" fill 1 0 32M , check 1 0 32M , fsync
	in_cgroup small loop_io "$TMP/mnt/data" fill 2 0 16M , check 1 16M 16M
	pressed=$(awk '$1 == "high" { print $2 }' "$CGROUP_ROOT/loop-selftest-small/memory.events")
	((pressed > 0)) || fail "memory was not short"
	io "$TMP/mnt/data" drop , check 2 0 16M , check 1 16M 16M
	umounted "$TMP/mnt"
	detach
done
