#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Every user reads the loop group of sysfs, with a path that he cannot follow; none writes it, root of a namespace neither"

need_namespaces
mkdir -m 700 "$TMP/hidden"
img 1M hidden/img
attach "$IMG" offset=4096 flags=$DIRECT_IO
fails as_user stat "$IMG"
same "backing_file" "$(as_user cat "$SYS/loop/backing_file")" "$IMG"
for file in "$SYS"/loop/* /sys/module/loop/parameters/*; do
	for as in as_user as_user_root; do
		same "what a user reads of $file" "$($as cat "$file")" "$(<"$file")"
		$as sh -c "echo 1 >$file" 2>"$TMP/error" && fail "a user can write $file"
		grep -q "Permission denied" "$TMP/error" || fail "writing $file: $(<"$TMP/error")"
	done
done
# Of a namespace that root has made, so that the file is its own.
! has_pinned || unchanged unshare -Ur loop_io "$SYS/loop/pinned" put 1 =EPERM , put fill =EPERM , put 0 =EPERM
detach
