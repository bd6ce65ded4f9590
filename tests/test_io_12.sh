#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O has the I/O priority of who submits it, on files and block devices"

direct()
{
	keeps_priority R "$DISK" 65536 read 0 64K
	keeps_priority R "$DISK" 4096 read 1M 4K
	# btrfs hands writes to workers of its own.
	[[ $TYPE == btrfs ]] || keeps_priority W "$DISK" 65536 write 1M 64K
}

on_each_fs 2M direct flags=$DIRECT_IO
nullb loopio size=64
IMG=$NULLB
attach_quietly "$IMG" flags=$DIRECT_IO
keeps_priority R "$IMG" 65536 read 0 64K
keeps_priority W "$IMG" 65536 write 1M 64K
detach
