#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Moving the offset of a device in use writes out old data to the old place first"

img 1M
io "$IMG" fill 1 0 1M
attach_quietly "$IMG"
# Held open, and its cache filled.
exec 7<>"$DEV"
io "$DEV" check 1 0 1M
io "$DEV" fill 2 0 64K
lo "$DEV" set-status64 offset=131072
io "$DEV" check 1 0 256K 131072
io "$IMG" check 2 0 64K , check 1 64K 960K
io "$DEV" fill 3 0 64K , fsync
io "$IMG" check 2 0 64K , check 1 64K 64K , check 3 128K 64K 0
lo "$DEV" set-status64 sizelimit=65536 , size 65536
io "$DEV" check 2 0 64K
exec 7>&-
detach
