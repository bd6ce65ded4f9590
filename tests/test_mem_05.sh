#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Swap on a loop device: a program with more memory than its cgroup may have gets all of it back"

need python3
cgroup swap
fs ext4
img 96M "$FS/img"
io "$IMG" fill 1 0 96M , fsync
# Where swapping takes long, the hard limit has the program killed sooner than its pages are out.
((PATIENCE == 1)) && limit=max || limit=high
for flags in 0 $DIRECT_IO; do
	attach "$IMG" flags="$flags"
	settle
	swap_on "$DEV"
	echo 20M >"$CGROUP_ROOT/loop-selftest-swap/memory.$limit"
	before=$(awk '{ print $5 }' "$SYS/stat")
	in_cgroup swap python3 -c '
import hashlib
def page(i):
	return hashlib.sha512(str(i).encode()).digest() * 64
pages = [page(i) for i in range(6144)]
assert all(pages[i] == page(i) for i in range(len(pages)))' ||
		fail "what comes back is not what was swapped out"
	(($(awk '{ print $5 }' "$SYS/stat") > before)) || fail "nothing was swapped out"
	swap_off "$DEV"
	detach
done
