#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A refused LOOP_SET_STATUS64 leaves offset, limit, flags, name and size alone"

img 1M
io "$IMG" fill 1 0 1M
attach "$IMG" offset=4096 sizelimit=65536 file_name=kept
for refused in offset=0x8000000000000000 sizelimit=0x8000000000000000 \
	offset=0xffffffffffffffff; do
	lo "$DEV" set-status64 $refused flags=$PARTSCAN file_name=new =EOVERFLOW
	lo "$DEV" get-status64 offset=4096 sizelimit=65536 flags=0 \
		file_name=kept , size 65536
done
io "$DEV" check 1 0 64K 4096
detach
lo "$DEV" configure "$IMG" offset=0x8000000000000000 =EOVERFLOW , \
	configure "$IMG" sizelimit=0x8000000000000000 =EOVERFLOW , \
	get-status64 =ENXIO
lo "$DEV" configure "$IMG" offset=0x7fffffffffffffff , size 0 , clr-fd
unbound "$DEV"
