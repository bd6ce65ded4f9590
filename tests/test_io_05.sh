#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing filesystem without space fails writes, and what was written before is there"

mkdir "$TMP/small"
mounted -t tmpfs -o size=2m none "$TMP/small"
img 8M "$TMP/small/img"
attach "$IMG"
io -d "$DEV" fill 1 0 1M , fill 1 4M 2M =ENOSPC , check 1 0 1M
lo "$DEV" set-dio 1
io -d "$DEV" fill 1 6M 2M =ENOSPC , check 1 0 1M
# A discard makes room again.
io "$DEV" discard 2M 6M
io -d "$DEV" fill 2 4M 512K , check 2 4M 512K
detach
rm "$IMG"
umounted "$TMP/small"
