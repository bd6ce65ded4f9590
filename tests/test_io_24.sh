#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct reads of a file on a disk that does not know REQ_NOWAIT are not tried in vain: the filesystem reports no errors"

need_module dm_crypt
fs ext4
lower=$LOOP_SCRATCH_DEV
umounted "$FS"
dm loop-selftest "0 $(blockdev --getsz "$lower") crypt aes-xts-plain64 $(printf '%064d' 7) 0 $lower 0"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4
written_img 1M
attach_quietly "$IMG" flags=$DIRECT_IO
loop_io "$IMG" no-errors true || skip "the filesystem does not report errors"
io "$IMG" no-errors "loop_io -d -b 4K $DEV check 1 0 1M"
detach
umounted "$FS"
