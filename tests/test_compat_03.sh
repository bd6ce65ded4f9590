#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Inode numbers beyond 32 bits fail a 32-bit LOOP_GET_STATUS with EOVERFLOW"

# An overlay marks the numbers of other filesystems in the upper bits.
need_module overlay
mkdir "$TMP"/{lower,upper,work,merged}
mounted -t tmpfs none "$TMP/lower"
img 1M "$TMP/lower/img"
mounted -t overlay overlay -o \
	"xino=on,lowerdir=$TMP/lower,upperdir=$TMP/upper,workdir=$TMP/work" "$TMP/merged"
inode=$(stat -c %i "$TMP/merged/img")
((inode > 0xffffffff || inode < 0)) || skip "the inode is only $inode"
attach "r:$TMP/merged/img"
lo "$DEV" get-status inode="$inode" , get-status64 inode="$inode"
unchanged lo32 "$DEV" get-status =EOVERFLOW , get-status64 inode="$inode"
unchanged lo -c "$DEV" get-status =EOVERFLOW
detach
umounted "$TMP/merged"
umounted "$TMP/lower"
