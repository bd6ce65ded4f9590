#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="Swapping to a pinned device, by a cgroup that needs more memory than it may have"

need mkswap swapon python3
cgroup pressure
dir=$CGROUP_ROOT/loop-selftest-pressure
[[ -e $dir/memory.swap.current ]] || skip "no memory.swap.current"
fs ext4
pinned_img 64M
mkswap -q "$DEV"
swapon -p 32767 "$DEV"
echo $((24 << 20)) >"$dir/memory.max"
in_cgroup pressure python3 -c '
pages = [bytearray(i.to_bytes(4, "little") * 1024) for i in range(10000)]
for _ in range(2):
    for i, page in enumerate(pages):
        assert page == i.to_bytes(4, "little") * 1024, i
print(open("'"$dir"'/memory.swap.current").read())
' >"$TMP/swapped" || : >"$TMP/swapped"
swapoff "$DEV"
swapped=$(($(<"$TMP/swapped")))
((swapped > 8 << 20)) || fail "only $swapped bytes were swapped out, or not the right ones in"
is_pinned 1
detach
