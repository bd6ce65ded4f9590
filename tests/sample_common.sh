#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of samples/rust_mirror.rs share. The lab lays its module beside the tests.

. ./test_common.sh

MIRROR=/dev/mirror0

# mirrored FIRST SECOND: $MIRROR is on these files, until "mirror_gone".
mirrored()
{
	local ko=$HERE/../rust_mirror.ko

	[[ -f $ko ]] || skip "no rust_mirror.ko"
	loaded rust_mirror "$ko" "first=$1" "second=$2"
	poll 5 test -b $MIRROR || fail "no $MIRROR"
	# It is looked at for what it has.
	settle
}

mirror_gone()
{
	settle
	unloaded rust_mirror
	[[ ! -e /sys/block/mirror0 ]] || fail "the disk is still there"
	poll 5 test ! -e $MIRROR || fail "$MIRROR is still there"
}

# two_images SIZE DIRECTORY: $A and $B are files there.
two_images()
{
	A=$2/a
	B=$2/b
	img "$1" "$A"
	img "$1" "$B"
}

# two_disks: $A and $B are devices of 16 MB on disks with a write cache, $DISK_A and $DISK_B.
two_disks()
{
	nullb mirrora size=16 cache_size=4
	DISK_A=$NULLB
	nullb mirrorb size=16 cache_size=4
	# shellcheck disable=SC2034 # The tests look at it.
	DISK_B=$NULLB
	dm mirror-a "0 32768 linear $DISK_A 0"
	dm mirror-b "0 32768 linear $DISK_B 0"
	A=/dev/mapper/mirror-a
	B=/dev/mapper/mirror-b
}

# breaks a|b, mends a|b: that device fails all I/O, or none.
breaks()
{
	dm_table "mirror-$1" "0 32768 error"
}

mends()
{
	local disk=DISK_${1^^}

	dm_table "mirror-$1" "0 32768 linear ${!disk} 0"
}
