#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O, block size, offset and limit change under I/O without harm"

img 1M
attach "$IMG"
loop_stress reconfigure 100 "$DEV"
lo "$DEV" set-status64 , set-dio 0 , set-block-size 512 , size 1M , \
	get-status64 flags=0
io -d "$DEV" fill 1 0 1M , check 1 0 1M
detach
io "$IMG" check 1 0 1M
