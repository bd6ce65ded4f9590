#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device that becomes smaller during a write through its page cache ends where it says"

img 1M
image=$IMG
fuse_img 64K
attach "$image"

# write_hangs: a write to the second half of the device waits for what it is to write.
write_hangs()
{
	io "$IMG" drop
	fuse hold read 1
	loop_io "$DEV" write-from "$IMG" 524288 4096 &
	writer=$!
	JOBS+=("$writer")
	fuse_saw "held read"
}

# shrink CALL...: while the write hangs.
shrink()
{
	background loop_ioctl "$DEV" "$@"
	sleep 0.5
	fuse release
	wait "${JOBS[-1]}"
	wait "$writer" || fail "the write failed"
	lo "$DEV" size 65536
	io "$DEV" end 65536
	: >"$TMP/fuse.log"
}

write_hangs
shrink set-status64 sizelimit=65536
lo "$DEV" set-status64 sizelimit=0 , size 1048576
io "$DEV" end 1048576

# Meanwhile the device can be opened, and asked for its status; who waits can be killed.
write_hangs
background loop_ioctl "$DEV" set-status64 sizelimit=65536
waiting=${JOBS[-1]}
sleep 0.5
! ended "$waiting" || fail "it does not wait"
soon loop_ioctl "$DEV" get-status64 offset=0
kill -KILL "$waiting"
poll 10 ended "$waiting" || fail "it cannot be killed"
lo "$DEV" size 1048576
truncate -s 64K "$image"
shrink set-capacity
detach
