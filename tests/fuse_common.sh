#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A file whose file system, loop_fuse, does as the test wants. Sourced by test_common.sh.
# shellcheck disable=SC2034 # Tests use the variables.

FUSE=

# fuse_img SIZE [SECONDS]: IMG is a file whose filesystem does as the test wants.
# What it says of the file is asked for again after so many seconds, if given.
fuse_img()
{
	[[ -c /dev/fuse ]] || need_module fuse
	mkdir "$TMP/fuse"
	# It must not keep a device open.
	loop_fuse "$TMP/fuse" "$@" >"$TMP/fuse.log" 7>&- 8>&- &
	FUSE=$!
	poll 20 mountpoint -q "$TMP/fuse" || fail "loop_fuse does not mount"
	IMG=$TMP/fuse/img
}

# fuse COMMAND...: has it do so; see loop_fuse.c.
fuse()
{
	echo "$*" >"$TMP/fuse/control"
}

# fuse_saw REQUEST: waits for a request, see loop_fuse.c.
fuse_saw()
{
	poll 20 grep -q "^$1" "$TMP/fuse.log" || fail "no \"$1\" arrived"
}

# read_hangs: a direct read of $DEV does not end until "read_goes_on".
read_hangs()
{
	fuse hold read 1
	io -d "$DEV" read 0 4096 &
	READER=$!
	JOBS+=("$READER")
	fuse_saw "held read"
}

read_goes_on()
{
	kill -0 "$READER" || fail "the read has ended"
	fuse release
	wait "$READER" || fail "the read failed"
}

# fuse_abort: the kernel is told to give its filesystem up.
fuse_abort()
{
	local control=/sys/fs/fuse/connections

	[[ -n $(ls $control) ]] || mount -t fusectl none $control
	echo 1 >"$control/$(mountpoint -d "$TMP/fuse" | cut -d : -f 2)/abort"
}
