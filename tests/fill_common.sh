#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What tests of filling share: a sparse image on a disk whose writes can be made slow,
# so that there is time to do something meanwhile. Sourced after test_common.sh.

SLOW_SECTORS=$((320 << 11))

# slow_fs TYPE: FS is a fresh filesystem on a disk that "disk" makes slow.
slow_fs()
{
	need_module dm_delay
	[[ ${SLOW:-} ]] || {
		nullb looppin size=320
		SLOW=$NULLB
		dm loop-selftest "0 $SLOW_SECTORS delay $SLOW 0 0"
	}
	disk quick
	LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs "$1"
}

# disk quick|slow: whether each write takes a while.
disk()
{
	local ms=0

	[[ $1 == quick ]] || ms=$((1000 * PATIENCE))
	dm_table loop-selftest "0 $SLOW_SECTORS delay $SLOW 0 0 $SLOW 0 $ms"
}

# sparse_img SIZE: IMG is a file below $FS with 1M of data, pattern 1, and holes
# behind that; $DEV is attached to it.
sparse_img()
{
	img 0 "$FS/img"
	[[ $(stat -f -c %T "$FS") != btrfs ]] || chattr +C "$IMG"
	truncate -s "$1" "$IMG"
	io "$IMG" fill 1 0 1M , fsync
	attach_quietly "$IMG" flags="$DIRECT_IO"
}

# filling RESULT: begins to fill the holes of $IMG on a slow disk, in $FILLER, and waits
# until it is in the middle. It is to end with that: OK, ANY or an error.
filling()
{
	disk slow
	# It must not keep the device open.
	background loop_io "$SYS/loop/pinned" put fill "=$1" 7>&- 8>&-
	FILLER=${JOBS[-1]}
	poll 30 has_begun || fail "nothing is filled"
}

has_begun()
{
	(($(sys loop/pinned_progress) > 1))
}

# still_filling: it is not over.
still_filling()
{
	! ended "$FILLER" || fail "filling is over"
	is_pinned 0
	between "pinned_progress" "$(sys loop/pinned_progress)" 1 99
}

# filled: it ends now, as told.
filled()
{
	disk quick
	wait "$FILLER" || fail "filling has failed"
	is_pinned 1
	same "pinned_progress" "$(sys loop/pinned_progress)" 100
}

# given_up ERROR...: it has ended with one of these. Kernels without CONFIG_SYMBOLIC_ERRNAME have no names for them.
given_up()
{
	is_pinned 0
	same "pinned_progress" "$(sys loop/pinned_progress)" 0
	grep -qw errname /proc/kallsyms || set -- "there was an error"
	[[ " $* " == *" $(sys loop/pinned_reason) "* ]] ||
		fail "pinned_reason is $(sys loop/pinned_reason), expected $*"
}

# not_filled: it ends, as told, and $DEV is not pinned but works.
not_filled()
{
	poll 30 ended "$FILLER" || fail "filling goes on"
	wait "$FILLER" || fail "filling has not failed as it should"
	disk quick
	is_pinned 0
	same "pinned_progress" "$(sys loop/pinned_progress)" 0
	io -d "$DEV" check 1 0 1M , fill 9 2M 64K , check 9 2M 64K
}
