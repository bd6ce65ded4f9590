#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A LOOP_CHANGE_FD makes one event, also if another one ends, or fails, meanwhile"

# crosses PID: it waits for the mutex, or is over, where the first one has not got that yet.
crosses()
{
	ended "$1" || grep -q "^State:.D" "/proc/$1/status"
}

# crossed: while the first one waits for its file, a second one goes through, or waits for the first and is killed.
crossed()
{
	local first second dirty

	# Opening the file, or closing it, writes dirty pages, too: so this is to open it before there are any, and nobody
	# else has it open.
	mkfifo "$TMP/go"
	(
		exec 6<"$IMG"
		read -r <"$TMP/go"
		exec loop_ioctl fd:7 change-fd fd:6
	) &
	first=$!
	JOBS+=("$first")
	exec 5>"$TMP/go"
	# Dirty pages of the new file, which are written first.
	python3 -c '
import mmap, os, signal, sys
pages = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4096)
pages[0] = 1
open(sys.argv[2], "w").close()
signal.pause()' "$IMG" "$TMP/dirty" &
	dirty=$!
	JOBS+=("$dirty")
	poll 20 test -e "$TMP/dirty" || fail "there is nothing to write"
	fuse hold write 1
	echo >&5
	fuse_saw "held write"
	loop_ioctl fd:7 change-fd "r:$TMP/img" &
	second=$!
	JOBS+=("$second")
	poll 20 crosses $second || fail "the second one neither waits nor ends"
	kill -KILL $second 2>/dev/null || true
	wait $second 2>/dev/null || true
	fuse release
	wait $first || fail "the first one failed"
	kill $dirty
	exec 5>&-
}

need python3
monitor
img 1M
attach_quietly "r:$IMG"
exec 7<"$DEV"
fuse_img 1M
events crossed
same "events" "$EVENTS" "change disk
change disk"
events lo fd:7 change-fd "r:$TMP/img"
same "events" "$EVENTS" "change disk"
exec 7<&-
detach
