#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CONFIGURE with a refused block size fails with EINVAL and can be repeated"

img 1M
new_dev
for size in 1 513 3072 131072; do
	lo "$DEV" configure "$IMG" block_size=$size =EINVAL , \
		get-status64 =ENXIO , size 0
done
lo "$DEV" configure "$IMG" block_size=512 , size 1M , get-status64 flags=0
detach
