#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A refused LOOP_CONFIGURE leaves the size, the read-only state and the limits alone"

img 64K
# The last one to use the device may have left it read-only.
attach "$IMG"
detach
lo "$DEV" configure "r:$IMG" block_size=1 =EINVAL , ro 0 , size 0
limit logical_block_size 512
lo "$DEV" configure "$IMG" block_size=1 offset=4096 flags=$AUTOCLEAR =EINVAL
# Closing it does not set about clearing a device that is not there.
lo "$DEV" set-fd "$IMG"
lo "$DEV" get-status64 offset=0 flags=0
detach
