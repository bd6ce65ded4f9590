#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions appear once with LOOP_CONFIGURE, however many open the device meanwhile"

long_img 100
opened_all_along
events lo "$DEV" open r , configure "r:$IMG" flags=$PARTSCAN
appeared_once 2
opened_no_more
detach

# The same on a slow disk, where the scan takes long.
slow_img
opened_all_along
events lo "$DEV" open r , configure "r:$IMG" flags=$PARTSCAN
appeared_once 2
opened_no_more
detach
