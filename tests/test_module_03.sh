#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="max_part is rounded up, spreads the device numbers and always scans"

need_unload
gpt_img 4M
unload_loop
load_loop max_part=5
same "max_part" "$(</sys/module/loop/parameters/max_part)" 7
same "number of loop1" "$(</sys/block/loop1/dev)" 7:8
attach_quietly "$IMG"
lo "$DEV" get-status64 flags=$PARTSCAN
partition 2
same "number of p2" "$(sys "loop${N}p2/dev")" "7:$((N * 8 + 2))"
detach
no_partitions
attach_quietly "$IMG"
partition 1
detach
unload_loop
fails load_loop max_part=256
fails load_loop max_part=99999
load_loop max_part=255
same "max_part" "$(</sys/module/loop/parameters/max_part)" 255
same "number of loop1" "$(</sys/block/loop1/dev)" 7:256
unload_loop
fails load_loop max_part=255 max_loop=4097
load_loop max_part=0
same "max_part" "$(</sys/module/loop/parameters/max_part)" 0
