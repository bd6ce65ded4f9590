#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A file that was made immutable keeps its content, also when the device is told to discard"

need chattr
fs ext4
img 1M "$FS/img"
io "$IMG" fill 1 0 1M , fsync
attach "$IMG"
chattr +i "$IMG"
rc=0
io "$DEV" discard 0 64K =EIO , zeroout 64K 64K =EIO , flush , \
	check 1 0 64K || rc=1
chattr -i "$IMG"
io "$DEV" discard 512K 64K , flush , zero 512K 64K
detach
((rc == 0)) || fail "it was discarded"
