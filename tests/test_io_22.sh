#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A write which the backing file has room for a part of is an error"

mkdir "$TMP/small"
mounted -t tmpfs -o size=64K none "$TMP/small"
img 1M "$TMP/small/img"
attach "$IMG"
io -d -b 256K "$DEV" write 0 256K =ENOSPC
io -d -b 8K "$DEV" fill 1 0 8K , check 1 0 8K
detach
rm "$IMG"
umounted "$TMP/small"
