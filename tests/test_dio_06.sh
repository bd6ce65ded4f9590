#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O does not go through the page cache of the file, buffered I/O does"

fs ext4
img 2M "$FS/img"
io "$IMG" fill 1 0 2M , drop , cached 0
attach "$IMG" flags=$DIRECT_IO
io -d "$DEV" check 1 0 1M , fill 2 1M 1M , check 2 1M 1M
io "$IMG" cached 0
lo "$DEV" set-dio 0
io -d "$DEV" check 1 0 1M
io "$IMG" cached some
lo "$DEV" set-dio 1
io "$IMG" drop , cached 0
lo "$DEV" set-dio 0
io -d "$DEV" fill 3 0 64K
io "$IMG" cached some
lo "$DEV" set-dio 1
io "$IMG" drop , cached 0
io -d "$DEV" check 3 0 64K , check 2 1M 1M
io "$IMG" cached 0
detach
