#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="What else can be done to a pinned device: another file, a larger file, direct I/O off"

fs ext4
written_img 1M other
io "$IMG" fill 2 0 1M , fsync
pinned_img 1M
unpinned lo "$DEV" set-dio 0
lo "$DEV" get-status64 flags=0
io "$DEV" check 1 0 1M
lo "$DEV" set-dio 1
is_pinned 0
pin 1
lo "$DEV" change-fd "$FS/other" =EINVAL
is_pinned 1
# A file that has grown.
truncate -s 2M "$IMG"
lo "$DEV" set-capacity , size 2M
is_pinned 0
io -d "$DEV" check 1 0 1M , zero 1M 1M , fill 3 1M 1M , check 3 1M 1M
detach
truncate -s 1M "$IMG"
attach "$IMG" flags=$((DIRECT_IO | READ_ONLY))
pin 1
io -d "$DEV" check 1 0 1M
unpinned lo "$DEV" change-fd "$FS/other"
io -d "$DEV" check 2 0 1M
io "$IMG" fill 1 0 4K
pin 1
io "$FS/other" write 0 4K =ETXTBSY
detach
