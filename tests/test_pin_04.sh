#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="what qualifies"
DESCRIPTION="Which attachments do not qualify, and why; a refusal changes nothing else"

fs ext4
written_img 1M
attach "$IMG"
pin_fails EINVAL "direct I/O is off"
lo "$DEV" set-dio 1
pin 1
detach
attach "r:$IMG" flags=$DIRECT_IO
pin_fails EINVAL "read-only"
detach
attach "$IMG" flags=$DIRECT_IO offset=512
pin_fails EINVAL "offset"
lo "$DEV" set-status64 offset=8192
pin 1
io -d "$DEV" check 1 0 64K 8192
detach
# A device that only reads is none that only may.
attach "$IMG" flags=$((DIRECT_IO | READ_ONLY))
pin 1
io -d "$DEV" check 1 0 1M
detach
io "$IMG" truncate 1047552
attach "$IMG" flags=$DIRECT_IO
pin_fails EINVAL "size"
detach
nullb looppin size=64
attach "$NULLB" flags=$DIRECT_IO
pin_fails EOPNOTSUPP "not a regular file"
detach
FS=$TMP written_img 1M
attach "$IMG" flags=$DIRECT_IO
pin_fails EOPNOTSUPP "no swap files"
detach
