#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Not a test: prints the queue attributes of a loop device on different backings
# in each mode after each reconfiguration, so that two drivers can be compared.
#
#	trace_limits.sh [BACKING...]
#
# Each line is "backing mode step attribute=value".

ALL="tmpfs ramfs ext4 xfs btrfs vfat overlay-tmpfs overlay-ext4 ext4-4k ext4-rot
	block block-4k block-rot block-discard block-cache block-nocache
	crypt loop loop-4k loop-dio partition"
SELF=$0

if (($# != 1)); then
	# shellcheck disable=SC2086
	(($#)) || set -- $ALL
	for backing; do
		bash "$SELF" "$backing" || echo "$backing: status $?"
	done
	exit
fi

# shellcheck source=test_common.sh
. "${SELF%/*}"/test_common.sh

BACKING=$1
MODE=
SIZE=64M

# Formats NULLB and mounts it.
on_nullb()
{
	LOOP_SCRATCH_DEV=$NULLB fs "$1" 320
	img $SIZE "$FS/img"
}

overlay_on()
{
	mkdir "$1"/{lower,upper,work,merged}
	mounted -t overlay overlay -o \
		"lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
	img $SIZE "$1/merged/img"
}

# below FIELD=VALUE...: IMG is a loop device on a file of tmpfs.
below()
{
	img $SIZE below
	attach "$IMG" "$@"
	IMG=$DEV
}

case $BACKING in
tmpfs)		img $SIZE ;;
ramfs)		mkdir "$TMP/ramfs"
		mounted -t ramfs none "$TMP/ramfs"
		img $SIZE "$TMP/ramfs/img" ;;
ext4 | xfs | btrfs)
		fs "$BACKING"
		img $SIZE "$FS/img" ;;
vfat)		nullb trace size=128
		mkfs.vfat "$NULLB" >/dev/null
		mkdir "$TMP/vfat"
		mounted -t vfat "$NULLB" "$TMP/vfat"
		IMG=$TMP/vfat/img
		head -c $SIZE /dev/zero >"$IMG" ;;
overlay-tmpfs)	overlay_on "$TMP" ;;
overlay-ext4)	fs ext4
		overlay_on "$FS" ;;
ext4-4k)	nullb trace size=512 blocksize=4096
		on_nullb ext4 ;;
ext4-rot)	nullb trace size=512 rotational=1
		on_nullb ext4 ;;
block)		nullb trace size=64 ;;
block-4k)	nullb trace size=64 blocksize=4096 ;;
block-rot)	nullb trace size=64 rotational=1 ;;
block-discard)	nullb trace size=64 discard=1 ;;
block-cache)	nullb trace size=64 cache_size=4 ;;
block-nocache)	nullb trace size=64 memory_backed=0 ;;
crypt)		need_module dm_crypt
		nullb trace size=64
		dm loop-trace "0 131072 crypt aes-xts-plain64 $(printf '%064d' 7) 0 $NULLB 0 1 sector_size:4096"
		NULLB=$(readlink -f /dev/mapper/loop-trace) ;;
loop)		below ;;
loop-4k)	below block_size=4096 ;;
loop-dio)	fs ext4
		img $SIZE "$FS/below"
		attach "$IMG" flags="$DIRECT_IO"
		IMG=$DEV ;;
partition)	below
		lo "$DEV" add-part 1 1M 32M
		IMG=${DEV}p1 ;;
*)		fail "no backing $BACKING" ;;
esac
[[ $BACKING != block* && $BACKING != crypt ]] || IMG=$NULLB
LOWER=${DEV:-}
FILE=$IMG
# To change to, and to attach afterwards.
size=$(blockdev --getsize64 "$FILE" 2>/dev/null || stat -c %s "$FILE")
img "$size" other
OTHER=$IMG

# state STEP: the attributes that are files, without those of a scheduler.
state()
{
	grep -s . "$SYS"/queue/* "$SYS"/loop/{dio,offset} \
		"$SYS"/{size,ro,removable,events,ext_range} \
		"$SYS"/{alignment_offset,discard_alignment} |
		sed "s|^$SYS/|$BACKING $MODE $1 |; s|:|=|" || true
}

# step NAME COMMAND...: what the command answers, and what then is to be seen.
step()
{
	local name=$1 answer

	shift
	# Some files cannot be opened for direct I/O.
	answer=$("$@" "=ANY" 2>&1 | tail -n 1) || true
	echo "$BACKING $MODE $name answer=$answer"
	state "$name"
}

# What a user may have written.
user_values()
{
	local setting

	for setting in max_sectors_kb=64 discard_max_bytes=1048576 rotational=1 \
		"write_cache=write through" nomerges=2 iostats=0 add_random=1 \
		read_ahead_kb=64 rq_affinity=2 nr_requests=32 stable_writes=1 \
		scheduler=mq-deadline wbt_lat_usec=100; do
		echo "${setting#*=}" 2>/dev/null >"$SYS/queue/${setting%%=*}" ||
			echo "$BACKING $MODE user refused=$setting"
	done
}

reconfigure()
{
	step attached lo "$DEV" "$@"
	[[ $MODE != user* ]] || {
		user_values
		state user
	}
	step dio-on lo "$DEV" set-dio 1
	step block-4096 lo "$DEV" set-block-size 4096
	step dio-on-again lo "$DEV" set-dio 1
	step block-512 lo "$DEV" set-block-size 512
	step block-513 lo "$DEV" set-block-size 513
	step block-0 lo "$DEV" set-block-size 0
	step dio-off lo "$DEV" set-dio 0
	step block-1024 lo "$DEV" set-block-size 1024
	step offset lo "$DEV" set-status64 offset=512
	step no-offset lo "$DEV" set-status64 offset=0
	step changed lo "$DEV" change-fd "r:$OTHER"
	step changed-dio lo "$DEV" change-fd "rd:$FILE"
	exec 7<"$DEV"
	step cleared lo "$DEV" clr-fd
	exec 7<&-
	unbound "$DEV"
	state detached
	step other lo "$DEV" configure "$OTHER" block_size=2048
	lo "$DEV" clr-fd
	unbound "$DEV"
	state detached-again
	step back lo "$DEV" configure "$FILE"
	lo "$DEV" clr-fd
	unbound "$DEV"
	state detached-third
}

for MODE in buffered dio dio-512 odirect readonly block-4096 user user-dio; do
	new_dev
	[[ $DEV != "$LOWER" ]] || fail "the backing device is free"
	state new
	case $MODE in
	buffered | user)	reconfigure set-fd "$FILE" ;;
	dio | user-dio)	reconfigure configure "$FILE" flags="$DIRECT_IO" ;;
	dio-512)	reconfigure configure "$FILE" flags="$DIRECT_IO" block_size=512 ;;
	odirect)	reconfigure set-fd "d:$FILE" ;;
	readonly)	reconfigure configure "r:$FILE" ;;
	block-4096)	reconfigure configure "$FILE" block_size=4096 ;;
	esac
	poll 10 lo $CONTROL remove "$N" >/dev/null
done
[[ $BACKING != loop* && $BACKING != partition ]] || detach_dev "$LOWER"
for dir in "${MOUNTS[@]}"; do
	[[ $dir == "$TMP/fs" ]] || umounted "$dir"
done
