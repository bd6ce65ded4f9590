#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions added by hand (BLKPG) without partscan work and go with detach"

img 4M
attach_quietly "$IMG"
lo "$DEV" add-part 1 1M 256K
partition 1
io "${DEV}p1" fill 1 0 256K , fsync
io "$IMG" check 1 1M 256K 0
lo "$DEV" add-part 2 2M 256K , add-part 2 3M 256K =EBUSY
partition 2
lo "$DEV" del-part 2
fails partition 2
detach
no_partitions
