#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions appear with LO_FLAGS_PARTSCAN at attach, carry their data, go with detach"

gpt_img 4M
attach_quietly "$IMG" flags=$PARTSCAN
partition 1
partition 2
same "size of p1" "$(sys "loop${N}p1/size")" 512
same "start of p2" "$(sys "loop${N}p2/start")" 4096
same "partscan" "$(sys loop/partscan)" 1
io "${DEV}p1" check 1 0 256K
io "${DEV}p2" check 2 0 512K , fill 3 0 512K , fsync
io "$IMG" check 3 2M 512K 0
detach
no_partitions
[[ ! -e ${DEV}p1 ]] || fail "${DEV}p1 is left"

# Without the flag there are none.
attach_quietly "$IMG"
no_partitions
same "partscan" "$(sys loop/partscan)" 0
detach
