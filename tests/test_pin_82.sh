#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="LOOP_CHANGE_FD with a descriptor that only reads is refused on a writable device, and leaves the cached pages of the pinned file"

fs ext4
written_img 4M
cp "$IMG" "$TMP/new"
attach "$IMG" flags=$DIRECT_IO
pin 1
io "$IMG" check 1 0 4M , cached 1024
exec 7<"$DEV"
lo fd:7 change-fd "r:$TMP/new" =EINVAL
exec 7<&-
io "$IMG" cached 1024
is_pinned 1
detach
