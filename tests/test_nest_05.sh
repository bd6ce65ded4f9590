#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="I/O ends through a hundred devices on top of each other, on a stack that is not deep enough for them at once"
# Half as many where that takes long, as on a debug kernel, which uses more stack for each.

levels=$((PATIENCE > 1 ? 50 : 100))
img 1M
devices=()
attach "$IMG" flags=$DIRECT_IO
devices=("$DEV")
while ((${#devices[@]} < levels)); do
	attach "$DEV" flags=$DIRECT_IO
	devices=("$DEV" "${devices[@]}")
done
same "dio" "$(sys loop/dio)" 1
io -d "$DEV" fill 1 0 1M , check 1 0 1M , fsync
io "$IMG" check 1 0 1M
fio_verify "$DEV" --direct=1 --size=1M --iodepth=64
detach_dev "${devices[@]}"
