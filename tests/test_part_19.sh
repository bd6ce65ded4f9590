#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What is cached of a partition goes to the place it was written for when the offset changes, and does not stay"

img 4M
io "$IMG" fill 1 0 4M
attach_quietly "$IMG"
lo "$DEV" add-part 5 1M 64K
# Its last close would write and drop the pages.
exec 7<"${DEV}p5"
io "${DEV}p5" fill 2 0 32K
io "${DEV}p5" map-hold 32K 32K "loop_ioctl $DEV set-status64 keep offset=64K"
# The partition is the next 64 KiB of the file now.
io "${DEV}p5" check 1 0 64K 1088K
exec 7<&-
detach
io "$IMG" check 2 1M 32K 0 , check 1 1056K 32K , check 1 1088K 64K
