#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Two cgroups dirty files on a filesystem on the device; writeback is accounted to each"

need mkfs.ext4
cgroup a b
nullb loopcg size=64
attach "$NULLB" flags=$DIRECT_IO
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted -t ext4 "$DEV" "$TMP/mnt"
mkdir "$TMP/mnt/a" "$TMP/mnt/b"
: >"$TMP/mnt/a/file"
: >"$TMP/mnt/b/file"
sync -f "$TMP/mnt"
in_cgroup a loop_io "$TMP/mnt/a/file" fill 1 0 12M
in_cgroup b loop_io "$TMP/mnt/b/file" fill 2 0 4M
for name in a b; do
	between "written by $name" "$(io_bytes $name "$NULLB" wbytes)" 0 $((1 << 20))
done
sync -f "$TMP/mnt"
between "written by a" "$(io_bytes a "$NULLB" wbytes)" $((12 << 20)) $((14 << 20))
between "written by b" "$(io_bytes b "$NULLB" wbytes)" $((4 << 20)) $((6 << 20))
umounted "$TMP/mnt"
detach
