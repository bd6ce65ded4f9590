#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Backing files on a file system: their blocks, their times, and errors of the disk below. Sourced by test_common.sh.

# written_img SIZE [NAME]: IMG is a file below $FS of which every byte was
# written, pattern 1, as pinned mode asks for.
written_img()
{
	img 0 "$FS/${2:-img}"
	[[ $(stat -f -c %T "$FS") != btrfs ]] || chattr +C "$IMG"
	io "$IMG" fill 1 0 "$1" , fsync
}

# fragmented_img SIZE [NAME]: IMG is a file below $FS, most of it in extents of a
# page. Its content is to be written by the test. $FS has to be small.
fragmented_img()
{
	local free bytes

	bytes=$(numfmt --from=iec "$1")
	free=$(($(stat -f -c "%f * %S" "$FS") - (1 << 20)))
	# One file has all, and gives every other page back.
	until fallocate -l $free "$FS/filler" 2>/dev/null; do
		free=$((free - 65536))
	done
	io "$FS/filler" comb 0 $((bytes * 2 + (8 << 20)))
	img 0 "$FS/${2:-img}"
	fallocate -l "$bytes" "$IMG"
	rm "$FS/filler"
}

# blocks_of FILE: where its blocks are.
blocks_of()
{
	need filefrag
	filefrag -b512 -e -s "$1" | sed -n 's/^ *[0-9]*: *//p'
}

# times: mtime and ctime of $IMG, in seconds.
times()
{
	stat -c '%.9Y %.9Z' "$IMG"
}

# old: $IMG is of 2001 from now on; before are its times.
old()
{
	touch -m -d 2001-01-01 "$IMG"
	# shellcheck disable=SC2034 # The tests compare with it.
	before=$(times)
}

# moved: mtime and ctime of $IMG are both others than before.
moved()
{
	local mtime ctime old_mtime old_ctime

	read -r old_mtime old_ctime <<<"$before"
	read -r mtime ctime <<<"$(times)"
	[[ $mtime != "$old_mtime" && $ctime != "$old_ctime" ]]
}

# failing_img SIZE [ATTRIBUTE=VALUE...]: IMG is a file below $FS, all of it
# written. Writes of its blocks, but not what else is on the disk, can be made
# to fail. Attributes are those of "nullb".
failing_img()
{
	need_module dm_flakey
	nullb loopfail size=64 "${@:2}"
	DM_GOOD="0 131072 linear $NULLB 0"
	dm loop-selftest "$DM_GOOD"
	LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 64
	# The journal is written when it is asked for only.
	mount -o remount,commit=600 "$FS"
	written_img "$1"
	DM_BAD=$(blocks_of "$IMG" | tr -c '0-9\n' ' ' | sort -n -k 3 |
		awk -v disk="$NULLB" '
			function part(end, how) {
				if (end > at)
					print at, end - at, how[1], disk, at, how[2]
				at = end
			}
			BEGIN {
				at = 0
				good[1] = "linear"
				bad[1] = "flakey"
				bad[2] = "0 1000000 1 error_writes"
			}
			{ part($3, good); part($4 + 1, bad) }
			END { part(131072, good) }')
}

data_fails()
{
	dm_table loop-selftest "$DM_BAD"
}

data_works()
{
	dm_table loop-selftest "$DM_GOOD"
}

# logged NUMBER: so many lines of dmesg tell of an EIO of $DEV.
logged()
{
	same "lines in dmesg" "$(dmesg | awk -v mark="$MARK" -v dev="loop$N:" '
		seen && index($0, dev) && /-5/ { n++ }
		index($0, mark) { seen = 1 }
		END { print n + 0 }')" "$1"
}

# writeback_fails FILE: writes to FILE, $DEV or its $IMG, and has the kernel fail
# to write that to the disk, which works again then.
writeback_fails()
{
	local direct=

	[[ $1 == "$IMG" ]] || direct=-d
	io $direct "$1" fill 2 0 64K
	data_fails
	# He who syncs the filesystem is told; nobody syncs the file.
	fails sync -f "$FS"
	data_works
}
