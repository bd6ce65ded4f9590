#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="who may switch it"
DESCRIPTION="With a descriptor that reads nobody drops what is cached of a file that is pinned for writing"

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
