#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A file of a filesystem that is another user's own: nobody else is told its size, so the device has none"

need python3
[[ -c /dev/fuse ]] || need_module fuse
mkdir "$TMP/fuse"
loop_fuse "$TMP/fuse" 1M 0 65534 >"$TMP/fuse.log" &
FUSE=$!
poll 20 grep -q " $TMP/fuse fuse" /proc/mounts || fail "loop_fuse does not mount"
fails cat "$TMP/fuse/img"
new_dev
# The user opens it, and passes it on.
python3 -c '
import fcntl, os, socket, sys
ours, theirs = socket.socketpair()
if not os.fork():
	os.setgroups([])
	os.setresgid(65534, 65534, 65534)
	os.setresuid(65534, 65534, 65534)
	socket.send_fds(theirs, [b"x"], [os.open(sys.argv[1], os.O_RDWR)])
	os._exit(0)
file = socket.recv_fds(ours, 1, 1)[1][0]
fcntl.ioctl(os.open(sys.argv[2], os.O_RDWR), 0x4c00, file)' "$TMP/fuse/img" "$DEV"
lo "$DEV" size 0 , set-capacity , size 0 , get-status64 =EACCES
io -d "$DEV" read 0 4096 0 , write 0 4096 =ENOSPC
detach
