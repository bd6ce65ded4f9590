#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions appear once with LOOP_SET_STATUS and LOOP_SET_STATUS64, however many open the device meanwhile"

for image in "long_img 30" slow_img; do
	$image
	for ioctl in set-status set-status64; do
		opened_all_along
		lo "$DEV" open r , set-fd "r:$IMG"
		events lo "$DEV" open r , $ioctl flags=$PARTSCAN
		appeared_once 1
		opened_no_more
		detach
	done
done
