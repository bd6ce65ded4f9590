#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_FD shows a file as a device of its size and content, LOOP_CLR_FD ends it"

img 1M
io "$IMG" fill 1 0 1M
new_dev
lo "$DEV" set-fd "$IMG" , size 1M , ro 0 , get-status64 number="$N" flags=0
same "size in sectors" "$(sys size)" 2048
io "$DEV" check 1 0 1M , fill 2 64K 128K , fsync
io "$IMG" check 1 0 64K , check 2 64K 128K , check 1 192K 832K

# The only opener clears it: gone with the last close, at once.
lo "$DEV" clr-fd
unbound "$DEV"
same "size when unbound" "$(sys size)" 0
lo "$DEV" set-fd "$IMG" , size 1M , clr-fd
unbound "$DEV"
