#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./sample_common.sh

DESCRIPTION="What is written to a mirror is in both its files, by buffered and by direct I/O; nothing is left when the module is gone"

written_to_both()
{
	two_images 32M "$1"
	mirrored "$A" "$B"
	same "the size of the mirror" "$(blockdev --getsize64 $MIRROR)" $((32 << 20))
	io -d $MIRROR fill 1 0 4M , fill 2 6M 64K , check 1 0 4M , zero 4M 2M , check 2 6M 64K
	io $MIRROR fill 3 8M 7M , fsync , drop , check 3 8M 7M
	fio_verify $MIRROR --direct=1 --offset=16m
	fio_verify $MIRROR --direct=0 --end_fsync=1 --offset=16m --bs=4k-256k
	io -b 1M -d $MIRROR fill 4 31M 1M , fsync
	mirror_gone
	for file in "$A" "$B"; do
		io "$file" check 1 0 4M , check 2 6M 64K , check 3 8M 7M , check 4 31M 1M
	done
	cmp "$A" "$B" || fail "the files differ"
	rm "$A" "$B"
}

# Where direct I/O cannot be asked for its alignment, and where it can.
written_to_both "$TMP"
fs ext4
written_to_both "$FS"
# The file system is not in use any more.
umounted "$FS"
fails insmod "$HERE/../rust_mirror.ko"
fails insmod "$HERE/../rust_mirror.ko" first="$TMP/none" second="$TMP/none"
two_images 1M "$TMP"
fails insmod "$HERE/../rust_mirror.ko" first="$A" second="$A"
nullb mirrora size=16
fails insmod "$HERE/../rust_mirror.ko" first="$NULLB" second="$NULLB"
truncate -s 0 "$A"
fails insmod "$HERE/../rust_mirror.ko" first="$A" second="$B"
[[ ! -d /sys/module/rust_mirror ]] || fail "the module is there"
