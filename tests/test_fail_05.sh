#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A file truncated under a mounted filesystem: what was cut off cannot be read, all else can, and what is written grows it again"

need mkfs.ext4 fsck.ext4
img 24M
attach "$IMG"
mkfs.ext4 -q -F -b 4096 -O ^has_journal "$DEV"
mkdir "$TMP/mnt"
mounted -t ext4 "$DEV" "$TMP/mnt"
data=$TMP/mnt/data
: >"$data"
io "$data" fill 1 0 20M , drop
truncate -s 12M "$IMG"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	lost=
	there=
	# Where in the file they are is for the filesystem to say.
	for i in {0..19}; do
		case $(io "$data" check 1 "${i}M" 1M =ANY) in
		OK) there+=" $i" ;;
		EIO) lost=$i ;;
		*) fail "megabyte $i is neither there nor lost" ;;
		esac
	done
	[[ $there && $lost ]] || fail "there is$there, and lost $lost"
	io "$data" drop
done
io "$data" fill 2 "${lost}M" 1M , drop , check 2 "${lost}M" 1M
for i in $there; do
	io "$data" check 1 "${i}M" 1M
done
(($(stat -c %s "$IMG") > 12 << 20)) || fail "the file has not grown"
umounted "$TMP/mnt"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck" || fail "$(<"$TMP/fsck")"
detach
