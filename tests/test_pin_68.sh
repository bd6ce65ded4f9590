#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="Why btrfs does not let a file be pinned is said: copy-on-write, compressed, shared with a snapshot, a balance that is not at its end; and what it refuses while one is"

need mkfs.btrfs btrfs

. ./fill_common.sh

balancing()
{
	[[ $(btrfs balance status "$FS" || true) == *"is running"* ]]
}

slow_fs btrfs
btrfs -q subvolume create "$FS/sub"

img 0 "$FS/cow"
io "$IMG" fill 1 0 1M , fsync
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "copy-on-write"
detach

img 0 "$FS/compressed"
chattr +c "$IMG"
io "$IMG" fill 1 0 1M , fsync
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "compressed"
detach

written_img 1M sub/img
attach "$IMG" flags=$DIRECT_IO
btrfs -q subvolume snapshot "$FS/sub" "$FS/snapshot"
pin_fails EINVAL "snapshot"
btrfs -q subvolume delete -C "$FS/snapshot"
btrfs subvolume sync "$FS" >/dev/null

# Slow enough to be met.
disk slow
btrfs balance start --full-balance "$FS" >"$TMP/balance" 2>&1 &
balance=$!
JOBS+=("$balance")
poll 20 balancing || fail "no balance: $(<"$TMP/balance")"
btrfs balance pause "$FS"
disk quick
wait $balance || true
pin_fails EBUSY "balance"
btrfs balance cancel "$FS"

pin 1
fails btrfs subvolume snapshot "$FS/sub" "$FS/snapshot"
fails btrfs subvolume delete "$FS/sub"
fails cp --reflink=always "$IMG" "$FS/copy"
unpin
btrfs -q subvolume snapshot "$FS/sub" "$FS/snapshot"
detach
umounted "$FS"
