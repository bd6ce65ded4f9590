#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What is mounted keeps LOOP_SET_BLOCK_SIZE and attaching away, and nothing else"

need mkfs.ext4
img 16M
mkfs.ext4 -q -F -b 4096 "$IMG"
attach "$IMG"
mkdir "$TMP/mnt"
mounted -t ext4 "$DEV" "$TMP/mnt"
unchanged lo "$DEV" set-block-size 4096 =EBUSY , set-block-size 513 =EBUSY , \
	set-fd "$IMG" =EBUSY , configure "$IMG" =EBUSY , open rx =EBUSY , \
	change-fd "r:$IMG" =EINVAL
# Not even if nothing would change.
unchanged lo "$DEV" set-block-size 512 =EBUSY
lo "$DEV" set-status64 file_name=mounted , get-status64 file_name=mounted , \
	set-capacity , set-dio 1 , set-dio 0
echo hello >"$TMP/mnt/file"
lo "$DEV" clr-fd , get-status64 flags=$AUTOCLEAR
same "content" "$(<"$TMP/mnt/file")" hello
umounted "$TMP/mnt"
unbound "$DEV"
