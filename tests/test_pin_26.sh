#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="A file whose data goes through the journal is refused: the journal would write old data over what was written since"

fs ext4
dev=$(findmnt -no SOURCE "$FS")
umounted "$FS"
mounted -t ext4 -o data=journal "$dev" "$FS"
written_img 1M
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "journalled"
io -d "$DEV" fill 2 0 64K , fsync , check 2 0 64K , check 1 64K 64K
detach
