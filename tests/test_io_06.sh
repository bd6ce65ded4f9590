#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Buffered and direct, reads and writes through the device and the file agree"

fs ext4
img 2M "$FS/img"
attach "$IMG" flags=$DIRECT_IO
io "$DEV" fill 1 0 1M
io -d "$DEV" fill 2 1M 1M
io "$DEV" fsync
io "$IMG" check 1 0 1M , check 2 1M 1M
io -d "$IMG" check 1 0 1M , check 2 1M 1M
# Written to the file while nobody has it cached: seen by the device.
io "$DEV" flush
io -d "$IMG" fill 3 512K 64K
io -d "$DEV" check 3 512K 64K
io "$DEV" check 3 512K 64K , check 1 576K 448K
detach
