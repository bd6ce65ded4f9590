#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Buffered reads, and what is zeroed, have the I/O priority of who submits them"

buffered()
{
	keeps_priority R "$DISK" 65536 read 0 64K
	keeps_priority R "$DISK" 4096 read 1M 4K
	keeps_priority R "$DISK" 8388608 check 1 0 8M
	# A part of a page has to be read before it can be written.
	keeps_priority R "$DISK" 4096 write 4608 512
}

on_each_fs 8M buffered
nullb loopio size=64
IMG=$NULLB
# When a writer closes the disk udev reads it, unless somebody has this lock.
settle
exec 7<"$NULLB"
flock 7
attach_quietly "$IMG"
keeps_priority R "$IMG" 65536 read 0 64K
keeps_priority R "$IMG" 4096 write 4608 512
lo "$DEV" set-dio 1
keeps_priority W "$IMG" 65536 zeroout 1M 64K
detach
exec 7<&-
