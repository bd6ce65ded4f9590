#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CONFIGURE sets file, block size, offset, limit, flags and name at once"

img 1M
io "$IMG" fill 1 0 1M
new_dev
lo "$DEV" configure "$IMG" block_size=1024 offset=4096 sizelimit=65536 \
	flags=$((READ_ONLY | AUTOCLEAR | PARTSCAN)) file_name=a-name , \
	size 65536 , ro 1 , \
	get-status64 offset=4096 sizelimit=65536 file_name=a-name \
		flags=$((READ_ONLY | AUTOCLEAR | PARTSCAN)) , \
	spawn "blockdev --getss $DEV >$TMP/ss; loop_io $DEV check 1 0 64K 4096"
same "block size" "$(<"$TMP/ss")" 1024
unbound "$DEV"

# The reserved words of the structure are not looked at.
lo "$DEV" configure "$IMG" reserved=1 , clr-fd
unbound "$DEV"
