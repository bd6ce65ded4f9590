#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD shuts a filesystem down before that can read the new file"

# The filesystem of both images is the same, and its file has other content.
need mkfs.ext4
mkdir "$TMP/content" "$TMP/mnt"
# It takes a while to drop all of these.
(cd "$TMP/content" && seq -f 'name%g' 3000 | xargs touch)
img 4M content/file
io "$IMG" fill 1 0 4M
img 32M old
mkfs.ext4 -q -F -N 8192 -d "$TMP/content" "$IMG"
cp --sparse=never "$TMP/old" "$TMP/new"
attach "$TMP/new"
mounted "$DEV" "$TMP/mnt"
io "$TMP/mnt/file" fill 2 0 4M , fsync
umounted "$TMP/mnt"
detach

# readers: they read until that fails. If one gets the new data it goes on: a read that was on its way when the filesystem
# was shut down may, but no read after it.
readers()
{
	local i

	for i in 1 2 3 4; do
		{
			while loop_io -d -b 16K "$TMP/mnt/file" check 1 0 4M; do
				echo . >>"$TMP/reads"
			done
			! loop_io -d "$TMP/mnt/file" read 1M 4K || : >"$TMP/new_data"
		} >>"$TMP/said" 2>&1 &
	done
	wait
}

for _ in 1 2 3; do
	attach_quietly "r:$TMP/old"
	mounted -t ext4 -o ro "$DEV" "$TMP/mnt"
	stat "$TMP/mnt"/* >/dev/null
	: >"$TMP/reads"
	: >"$TMP/said"
	readers &
	reader=$!
	poll 20 test -s "$TMP/reads" || fail "nothing is read: $(<"$TMP/said")"
	lo "$DEV" change-fd "r:$TMP/new"
	wait $reader
	[[ ! -e $TMP/new_data ]] || fail "the filesystem reads the new file: $(<"$TMP/said")"
	umounted "$TMP/mnt"
	mounted -t ext4 -o ro "$DEV" "$TMP/mnt"
	io "$TMP/mnt/file" check 2 0 4M
	umounted "$TMP/mnt"
	detach
done
