#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The sector within which a truncated file ends cannot be read, what is before it can"

img 64K
io "$IMG" fill 1 0 64K
attach "$IMG"
truncate -s 32968 "$IMG"
io -d -b 512 "$DEV" check 1 0 32K , read 32K 512 =EIO , read 33280 512 =EIO
detach
