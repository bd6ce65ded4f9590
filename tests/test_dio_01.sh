#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_DIRECT_IO turns direct I/O on and off, is told by status and sysfs, keeps data"

fs ext4
img 4M "$FS/img"
attach "$IMG"
io "$DEV" fill 1 0 1M
lo "$DEV" get-status64 flags=0 , set-dio 1 , get-status64 flags=$DIRECT_IO , \
	set-dio 1 , set-dio 7
same "dio" "$(sys loop/dio)" 1
io "$DEV" flush , check 1 0 1M , fill 2 1M 1M , fsync
lo "$DEV" set-dio 0 , set-dio 0 , get-status64 flags=0
same "dio" "$(sys loop/dio)" 0
io "$DEV" flush , check 1 0 1M , check 2 1M 1M
detach
io "$IMG" check 1 0 1M , check 2 1M 1M

# Asked for at attach: by flag or by the file's own mode.
lo "$DEV" configure "$IMG" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
detach
lo "$DEV" set-fd "d:$IMG"
lo "$DEV" get-status64 flags=$DIRECT_IO , set-status64 flags=0 , \
	get-status64 flags=$DIRECT_IO
io "$DEV" check 1 0 1M , check 2 1M 1M
detach
