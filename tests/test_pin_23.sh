#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A pinned device on a file on a filesystem on a pinned device"

need mkfs.ext4
fs xfs
pinned_img 64M
lower=$DEV
# Else the kernel initialises tables later, which makes holes in the lower file while that is not pinned.
mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0 "$DEV"
mkdir "$TMP/mnt"
mounted "$DEV" "$TMP/mnt"
FS=$TMP/mnt pinned_img 16M
io -d "$DEV" check 1 0 16M
fio_verify "$DEV" --direct=1 --size=8m --fsync=64 --bs=4k-64k
io -d "$DEV" fill 2 0 16M
# The lower one alone.
DEV=$lower SYS=/sys/block/${lower#/dev/} unpin
io -d "$DEV" check 2 0 16M , fill 3 0 1M
DEV=$lower SYS=/sys/block/${lower#/dev/} pin 1
io -d "$DEV" check 3 0 1M , check 2 1M 15M
detach
io "$IMG" drop , check 3 0 1M , check 2 1M 15M
umounted "$TMP/mnt"
detach_dev "$lower"
