#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where a file system is known not to punch holes there is no discard from the start, and nothing is logged"

# none FILE: no discard, no write-zeroes on it, in any mode; and what asks for zeroes gets them written.
none()
{
	local mode

	attach_quietly "$1"
	for mode in true "lo $DEV set-block-size 4096" "lo $DEV set-dio 1"; do
		$mode
		limit discard_max_bytes 0
		limit discard_granularity 0
		limit write_zeroes_max_bytes 0
		io "$DEV" discard 0 64K =EOPNOTSUPP , fill 1 0 128K , zeroout 0 64K , flush , \
			zero 0 64K , check 1 64K 64K
	done
	detach
	! dmesg | awk -v mark="$MARK" 'index($0, mark) { seen = 1 } seen' |
		grep "operation not supported error, dev loop$N" || fail "the log tells of it"
}

# some FILE: there is discard on it.
some()
{
	attach_quietly "$1"
	limit discard_max_bytes $((0xffffffff / 512 * 512))
	io "$DEV" fill 1 0 128K , fsync , discard 0 64K , flush , zero 0 64K , check 1 64K 64K
	detach
}

need mkfs.vfat
need_module vfat
nullb loopfat size=96
mkdir "$TMP/mnt"
mkfs.vfat "$NULLB" >/dev/null
mounted -t vfat "$NULLB" "$TMP/mnt"
img 4M "$TMP/mnt/img"
none "$IMG"
umounted "$TMP/mnt"
if command -v mkfs.exfat >/dev/null && modprobe -q exfat; then
	mkfs.exfat "$NULLB" >/dev/null
	mounted -t exfat "$NULLB" "$TMP/mnt"
	img 4M "$TMP/mnt/img"
	none "$IMG"
	umounted "$TMP/mnt"
fi
for type in ext4 xfs btrfs; do
	command -v mkfs.$type >/dev/null || continue
	fs $type
	img 4M "$FS/img"
	some "$IMG"
	umounted "$FS"
done
img 4M
some "$IMG"
