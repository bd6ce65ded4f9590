#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem without space is written to: where it waits for work of its own on a queue without a rescuer (XFS does), the kernel does not warn that the queue of the device has one"

for type in ext4 xfs; do
	fs "$type"
	img 16M "$FS/img"
	free=$(($(stat -f -c "%f * %S" "$FS")))
	until fallocate -l $free "$FS/filler" 2>/dev/null; do
		free=$((free - (1 << 20)))
	done
	for flags in 0 $DIRECT_IO; do
		attach "$IMG" flags="$flags"
		io -d -b 1M "$DEV" fill 1 0 16M =ENOSPC
		detach
	done
	umounted "$FS"
done
