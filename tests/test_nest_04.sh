#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device-mapper device as backing; its errors come through as errors"

nullb loopdm size=16
dm loop-selftest "0 2048 linear $NULLB 0
2048 2048 error
4096 2048 linear $NULLB 2048"
attach /dev/mapper/loop-selftest
lo "$DEV" size 3M
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io -d "$DEV" fill 1 0 1M , fill 1 2M 1M , fsync
	io -d "$DEV" read 1M 4096 =EIO , check 1 0 1M , check 1 2M 1M , \
		read $((1048576 - 4096)) 8192 =EIO
done
# A buffered write to there is noticed by the next fsync.
io -d "$DEV" write 1M 4096 =EIO
lo "$DEV" set-dio 0
io "$DEV" write 1M 4096 , fsync =EIO
io -d "$DEV" check 1 0 1M , check 1 2M 1M
detach
