#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O is accounted on the backing disk to the cgroup that issued it"

cgroup a b

# direct DISK: a writes to $DEV and b reads, which both arrive on this disk.
direct()
{
	in_cgroup a loop_io -d "$DEV" fill 1 0 4M
	in_cgroup b loop_io -d "$DEV" check 1 0 2M
	between "written by a" "$(io_bytes a "$1" wbytes)" $((4 << 20)) $((5 << 20))
	between "read by a" "$(io_bytes a "$1" rbytes)" 0 $((1 << 20))
	between "written by b" "$(io_bytes b "$1" wbytes)" 0 $((1 << 20))
	between "read by b" "$(io_bytes b "$1" rbytes)" $((2 << 20)) $((3 << 20))
}

nullb loopcg size=16
attach "$NULLB" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
direct "$NULLB"
detach

LOOP_SCRATCH_DEV=''
fs ext4
img 8M "$FS/img"
# No metadata but times is left to be changed.
io "$IMG" fill 2 0 8M , drop
attach "$IMG" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
direct "$NULLB"
detach
