#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="A file on f2fs is not pinned: f2fs may move the blocks of its swap files (F2FS_IOC_SET_PIN_FILE, garbage collection)"

fs f2fs
written_img 2M
attach "$IMG" flags=$DIRECT_IO
pin_fails EOPNOTSUPP "blocks in place"
io -d "$DEV" check 1 0 2M , fill 2 0 64K , fsync , check 2 0 64K
detach
io "$IMG" write 0 4K
