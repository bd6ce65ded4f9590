#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="32-bit programs reach every ioctl with their structures"

img 1M
io "$IMG" fill 1 0 1M
img 1M other
new_dev
lo -c "$DEV" get-status64 =ENXIO
lo -c "$DEV" set-fd "$TMP/img" , size 1M
lo -c "$DEV" set-status offset=4096 file_name=compat , \
	get-status offset=4096 file_name=compat number="$N" flags=0 \
		inode="$(stat -c %i "$TMP/img")" , \
	get-status64 offset=4096 sizelimit=0 file_name=compat
io "$DEV" check 1 0 64K 4096
lo -c "$DEV" set-status64 sizelimit=65536 , size 65536 , \
	set-block-size 1024 , set-dio 1 , get-status64 flags=$DIRECT_IO , \
	set-dio 0 , set-capacity , size 65536
lo "$DEV" set-status64 offset=0x100000000
lo -c "$DEV" get-status =EOVERFLOW
lo -c "$DEV" clr-fd
unbound "$DEV"

lo -c "$DEV" configure "$TMP/img" flags=$READ_ONLY sizelimit=8192 , \
	size 8192 , change-fd "r:$TMP/other" , clr-fd
unbound "$DEV"
lo -c "$DEV" ioctl 0x4c7f 0 =ENOTTY
