#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What somebody has mapped while offset or file change does not stay cached with data from the old place"

# changed OPERATION: "loop_ioctl $DEV OPERATION", with the device's pages in use.
changed()
{
	io "$DEV" map-hold 0 64K "loop_ioctl $DEV $1"
}

img 1M
io "$IMG" fill 1 0 1M
attach_quietly "r:$IMG"
changed "set-status64 keep offset=64K"
io "$DEV" check 1 0 64K 64K
detach

attach_quietly "r:$IMG"
img 1M "$TMP/new"
io "$IMG" fill 2 0 1M
changed "change-fd r:$IMG"
io "$DEV" check 2 0 64K
detach
