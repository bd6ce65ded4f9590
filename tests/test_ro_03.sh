#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="blockdev --setro and --setrw work, and cannot make a read-only file writable"

need blockdev
img 1M
attach "$IMG"
blockdev --setro "$DEV"
lo "$DEV" open rw , ro 1 , write 0 4096 =EPERM , get-status64 flags=0
blockdev --setrw "$DEV"
lo "$DEV" open rw , ro 0 , write 0 4096 , fsync
detach

io "$IMG" fill 1 0 1M
attach "r:$IMG"
blockdev --setrw "$DEV"
io -d "$DEV" write 0 4096 =EPERM
detach
io "$IMG" check 1 0 1M
