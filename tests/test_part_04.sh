#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Partitions added by hand (BLKPG) without partscan work and go with detach.

. ./test_common.sh

need addpart delpart
img 4M
attach "$IMG"
addpart "$DEV" 1 2048 512
partition 1
poll 5 io "${DEV}p1" fill 1 0 256K , fsync
io "${DEV}p1" fill 1 0 256K , fsync
io "$IMG" check 1 1M 256K 0
addpart "$DEV" 2 4096 512
partition 2
delpart "$DEV" 2
fails partition 2
detach
no_partitions
