#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What a write to the backing file has left out is written too"

fuse_img 1M
attach "$IMG"
fuse short 1536
io -d "$DEV" fill 1 0 256K , fsync
fuse short 0
detach
io "$IMG" check 1 0 256K , zero 256K 768K
