#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A size limit shortens the device; one beyond the end of the file does nothing"

img 1M
io "$IMG" fill 1 0 1M
new_dev
for pair in 512:512 4096:4096 65536:65536 2000000:1048576 1048576:1048576; do
	lo "$DEV" configure "$IMG" sizelimit=${pair%:*} , size ${pair#*:} , \
		get-status64 sizelimit=${pair%:*}
	io "$DEV" check 1 0 "${pair#*:}"
	io "$DEV" read "${pair#*:}" 512 0
	detach
done
lo "$DEV" configure "$IMG" offset=1040384 sizelimit=65536 , size 8192
io "$DEV" check 1 0 8192 1040384
detach

# The last sector can be written, the next cannot.
lo "$DEV" configure "$IMG" sizelimit=8192
io -d "$DEV" write 7680 512 , write 8192 512 =ENOSPC
detach
io "$IMG" check 1 8192 64K
