#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Sizes which are not whole sectors are rounded down"

new_dev
for pair in 0:0 1:0 511:0 512:512 513:512 1000:512 1048577:1048576; do
	img ${pair%:*}
	io "$IMG" fill 1 0 ${pair%:*}
	lo "$DEV" set-fd "$IMG" , size ${pair#*:}
	io "$DEV" check 1 0 ${pair#*:}
	detach
done

img 10000
io "$IMG" fill 1 0 10000
quiet
lo "$DEV" configure "$IMG" sizelimit=1023 , size 512 , \
	set-status64 offset=9999 , size 0 , set-status64 offset=9488 , size 512
io "$DEV" check 1 0 512 9488
lo "$DEV" set-status64 offset=10001 , size 0 , set-status64 offset=1 \
	sizelimit=1500 , size 1024
io "$DEV" check 1 0 1024 1
detach
