#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A file of thousands of extents: requests of all sizes across their ends, verified pinned, then by the ordinary path"

fs ext4 64
fragmented_img 16M
count=$(blocks_of "$IMG" | wc -l)
((count > 2000)) || fail "only $count extents"
io "$IMG" fill 1 0 16M , fsync
attach "$IMG" flags=$DIRECT_IO
pin 1
io -d "$DEV" check 1 0 16M
io -d -b 1M "$DEV" check 1 0 16M , fill 2 3584 4M
io -d -b 512 "$DEV" check 1 0 3584 , check 2 3584 16K , fill 3 8M 64K
fio_verify "$DEV" --direct=1 --bsrange=512-1m --blockalign=512 --offset=9m --size=7m
io -d "$DEV" check 2 3584 4M , check 3 8M 64K
detach
io "$IMG" check 1 0 3584 , check 2 3584 4M , check 3 8M 64K
attach "$IMG" flags=$DIRECT_IO
io -d "$DEV" check 2 3584 4M
detach
