#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CLR_FD with another opener waits for the last close; until then I/O goes on"

img 1M
io "$IMG" fill 1 0 1M
new_dev
exec 7<>"$DEV"
lo "$DEV" set-fd "$IMG" , clr-fd , get-status64 flags=$AUTOCLEAR
lo "$DEV" get-status64 flags=$AUTOCLEAR
same "autoclear" "$(sys loop/autoclear)" 1
io "$DEV" check 1 0 1M
io "$DEV" fill 2 0 64K , fsync
io "$IMG" check 2 0 64K
exec 7>&-
unbound "$DEV"

# An autoclear that was only asked for can still be taken back.
exec 7<>"$DEV"
lo "$DEV" set-fd "$IMG" , clr-fd , set-status64 flags=0 , get-status64 flags=0
exec 7>&-
lo "$DEV" get-status64 flags=0
detach
