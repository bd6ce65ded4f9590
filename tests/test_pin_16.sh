#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Nothing moves the blocks of a pinned file: defragmentation, balance, snapshots.

. ./test_common.sh

fs ext4 64
fragmented_img 2M
io "$IMG" fill 1 0 2M , fsync
attach "$IMG" flags=$DIRECT_IO
pin 1
before=$(blocks_of "$IMG")
e4defrag "$IMG" >"$TMP/log" 2>&1 || true
same "blocks after e4defrag" "$(blocks_of "$IMG")" "$before"
io -d "$DEV" check 1 0 2M
detach
umounted "$FS"

fs xfs
pinned_img 2M
before=$(blocks_of "$IMG")
FS=$FS/other.dir && mkdir "$FS"
cp "$IMG" "$FS/img"
xfs_fsr "$IMG" >"$TMP/log" 2>&1 || true
fails xfs_io -c "exchangerange $FS/img" "$IMG"
FS=${FS%/*}
same "blocks after xfs_fsr" "$(blocks_of "$IMG")" "$before"
detach
umounted "$FS"

fs btrfs
btrfs -q subvolume create "$FS/sub"
pinned_img 2M sub/img
before=$(blocks_of "$IMG")
fails btrfs subvolume snapshot "$FS/sub" "$FS/snap"
btrfs filesystem defragment -f "$IMG" >"$TMP/log" 2>&1 || true
btrfs balance start --full-balance "$FS" >"$TMP/log" 2>&1 || true
same "blocks after balance" "$(blocks_of "$IMG")" "$before"
io -d "$DEV" check 1 0 2M , fill 2 0 1M
unpin
btrfs -q subvolume snapshot "$FS/sub" "$FS/snap"
detach
io "$FS/snap/img" check 2 0 1M , check 1 1M 1M
umounted "$FS"

[[ $(pinnable) == *f2fs* ]] || exit 0
need python3
fs f2fs
written_img 1M other
pinned_img 1M
before=$(blocks_of "$IMG")
# f2fs only collects where nothing is being added any more: that is elsewhere after this.
first=$DEV
attach "$FS/other" flags=$DIRECT_IO
pin 1
detach
DEV=$first
SYS=/sys/block/${DEV#/dev/}

# collect FILE: has f2fs move all that FILE has (F2FS_IOC_GARBAGE_COLLECT_RANGE).
collect()
{
	blocks_of "$1" | tr -d .: | while read -r _ _ first last _; do
		python3 -c "
import fcntl, os, struct
fcntl.ioctl(os.open('$FS', 0), 0x4018f50b, struct.pack('=I4xQQ', 1, $first // 8, ($last - $first) // 8))" || true
	done >"$TMP/log" 2>&1
	sync -f "$FS"
}

collect "$IMG"
for command in "defrag_file 0 $((1 << 20))" "release_cblocks" "compress" "gc 1"; do
	# shellcheck disable=SC2086
	f2fs_io $command "$IMG" >"$TMP/log" 2>&1 || true
done
same "blocks after f2fs has collected garbage" "$(blocks_of "$IMG")" "$before"
io -d "$DEV" check 1 0 1M , fill 2 0 64K
unpin
collect "$IMG"
[[ $(blocks_of "$IMG") != "$before" ]] || fail "nor are they moved without: $(<"$TMP/log")"
detach
io "$IMG" drop , check 2 0 64K , check 1 64K 960K
