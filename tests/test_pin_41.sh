#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="f2fs is refused: it moves blocks that it has promised to keep in place, if somebody who may read the file says so (F2FS_IOC_SET_PIN_FILE), or garbage collection meets them often"

fs f2fs
written_img 2M
attach "$IMG" flags=$DIRECT_IO
pin_fails EOPNOTSUPP "blocks in place"
io -d "$DEV" check 1 0 2M , fill 2 0 64K , fsync , check 2 0 64K
detach
io "$IMG" write 0 4K
