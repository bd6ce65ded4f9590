#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where discards are forbidden (discard_max_bytes) no zeroing takes blocks from the file either"

need fallocate
fs ext4
img 1M "$FS/img"
io "$IMG" fill 1 0 1M , fsync
before=$(stat -c %b "$IMG")
attach "$IMG"
echo 0 >"$SYS/queue/discard_max_bytes"
# Punching a hole has no other way, zeroing has: it writes.
fallocate -p -o 64K -l 64K "$DEV" 2>/dev/null && fail "a hole was punched"
io "$DEV" discard 64K 64K =EOPNOTSUPP , zeroout 128K 64K , flush , \
	check 1 0 128K , zero 128K 64K , check 1 192K 832K
same "blocks of the file" "$(stat -c %b "$IMG")" "$before"
detach
# The user's limit is the device's for life, and cannot be raised again.
settle
lo $CONTROL remove "$N"
