#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./sample_common.sh

DESCRIPTION="A mirror has the larger of its files' block sizes, and takes no device that somebody else uses"

# mirror_limit NAME VALUE: a limit of the mirror's queue.
mirror_limit()
{
	same "$1" "$(sys "queue/$1" $MIRROR)" "$2"
}

nullb mirrora size=16 blocksize=512
A=$NULLB
nullb mirrorb size=16 blocksize=4096
B=$NULLB
for legs in "$A $B" "$B $A"; do
	# shellcheck disable=SC2086 # Two files.
	mirrored $legs
	mirror_limit logical_block_size 4096
	mirror_limit dma_alignment 4095
	# The data is read twice, and has to be the same.
	mirror_limit stable_writes 1
	io -d $MIRROR fill 1 0 64K , write 512 512 =EINVAL , check 1 0 64K
	mirror_gone
	# It is the only user while it is there.
	mkdir "$TMP/mnt"
	mkfs.ext4 -q -F "$B"
	mounted -t ext4 "$B" "$TMP/mnt"
	# shellcheck disable=SC2086
	set -- $legs
	error=$(insmod "$HERE/../rust_mirror.ko" first="$1" second="$2" 2>&1) && fail "it has a device that is mounted"
	[[ $error == *"resource busy"* ]] || fail "$error"
	umounted "$TMP/mnt"
	rmdir "$TMP/mnt"
done
mirrored "$A" "$B"
fails mount "$B" "$TMP"
mirror_gone
# Through the page cache every block size does.
img 1M
mirrored "$IMG" "$B"
mirror_limit logical_block_size 512
io -d $MIRROR fill 2 0 4K , write 512 512 , fsync , check 2 1K 3K
mirror_gone
