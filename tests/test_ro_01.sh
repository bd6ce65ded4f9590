#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A file opened read-only makes a read-only device, which refuses writes"

img 1M
io "$IMG" fill 1 0 1M
attach "r:$IMG"
lo "$DEV" ro 1 , get-status64 flags=$READ_ONLY
same "ro" "$(sys ro)" 1
io "$DEV" check 1 0 1M , write 0 4096 =EPERM , discard 0 4096 =EPERM , \
	zeroout 0 4096 =EPERM
same "write cache" "$(sys queue/write_cache)" "write through"
detach
io "$IMG" check 1 0 1M

# Not remembered by the device.
attach "$IMG"
lo "$DEV" ro 0 , get-status64 flags=0
io "$DEV" write 0 4096 , fsync
detach
