#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="Offset and size limit in pinned mode: the right data, and nothing beside it"

fs ext4 64
fragmented_img 4M
io "$IMG" fill 1 0 4M , fsync
attach "$IMG" flags=$DIRECT_IO offset=1M sizelimit=66048
pin 1
lo "$DEV" size 66048
io -d -b 512 "$DEV" check 1 0 66048 1M , fill 2 0 66048
# It stays pinned where it still fits.
lo "$DEV" set-status64 offset=2M
is_pinned 1
lo "$DEV" size 2M
io -d "$DEV" check 1 0 2M 2M , fill 3 64K 64K
lo "$DEV" set-status64 offset=2M sizelimit=4096
is_pinned 1
lo "$DEV" size 4096
io -d "$DEV" check 1 0 4096 2M
unpinned lo "$DEV" set-status64 offset=512
io -d "$DEV" check 1 0 64K 512
pin_fails EINVAL "offset"
lo "$DEV" set-status64 offset=8M
lo "$DEV" size 0
detach
io "$IMG" check 1 0 1M , check 2 1M 66048 0 , check 1 1114624 982528 , check 1 2M 64K , \
	check 3 2162688 64K 64K , check 1 2228224 64K
