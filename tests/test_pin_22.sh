#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="On and off again and again: no error, no lost write, while fio verifies and under a filesystem"

need mkfs.ext4 fsck.ext4

# Zeroes that a filesystem asks for make holes in the file meanwhile.
toggle()
{
	while [[ ! -e $TMP/enough ]]; do
		echo fill >"$SYS/loop/pinned"
		echo 0 >"$SYS/loop/pinned"
		echo . >>"$TMP/times"
	done
}

toggled()
{
	rm -f "$TMP/enough" "$TMP/times"
	toggle &
	local toggler=$!
	"$@"
	: >"$TMP/enough"
	wait $toggler
	(($(wc -l <"$TMP/times") >= 2)) || fail "it was not switched"
}

work_on_fs()
{
	local i

	for i in 1 2 3; do
		cp -r "$HERE" "$TMP/mnt/$i"
		io "$TMP/mnt/data" truncate 0 , fill "$i" 0 4M , drop , check "$i" 0 4M
	done
}

fs ext4
written_img 32M
attach "$IMG" flags=$DIRECT_IO
toggled fio_verify "$DEV" --direct=1 --size=8m
toggled fio_verify "$DEV" --direct=0 --size=8m --fsync=64
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted "$DEV" "$TMP/mnt"
: >"$TMP/mnt/data"
toggled work_on_fs
diff -r "$HERE" "$TMP/mnt/3"
umounted "$TMP/mnt"
fsck.ext4 -f -n "$DEV" >"$TMP/fsck"
detach
