#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On a file which cannot have holes discards fail, and zeroes are written"

mkdir "$TMP/ramfs"
mounted -t ramfs none "$TMP/ramfs"
img 1M "$TMP/ramfs/img"
io "$IMG" fill 1 0 1M
attach "$IMG"
limit discard_max_bytes 0
limit discard_granularity 0
limit write_zeroes_max_bytes 0
io "$DEV" discard 0 64K =EOPNOTSUPP , check 1 0 64K , \
	zeroout 64K 64K , flush , zero 64K 64K , check 1 128K 64K
detach
io "$IMG" check 1 0 64K , zero 64K 64K
rm "$IMG"
umounted "$TMP/ramfs"
