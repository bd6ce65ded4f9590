#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On ext4 on a disk that is rotational or has large blocks the limits follow that"

for setting in rotational=1 blocksize=4096; do
	nullb "loop${setting%=*}" size=64 $setting
	LOOP_SCRATCH_DEV=$NULLB fs ext4 64
	img 4M "$FS/img"
	limits_follow "$IMG"
	umounted "$FS"
done
