#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Shared mappings of the device read and write the file"

img 2M
io "$IMG" fill 1 0 2M
attach "$IMG" offset=4096
io "$DEV" check 1 0 1M 4096 , map-fill 2 0 1M , map-check 2 0 1M , \
	check 2 0 1M
io -d "$DEV" check 2 0 1M
detach
io "$IMG" check 2 4096 1M 0 , check 1 1052672 512K
