#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A filesystem in a partition can be made, mounted, filled and checked"

need mkfs.ext4 fsck.ext4 sfdisk
img 24M
sfdisk -q "$IMG" <<-TABLE
	label: gpt
	start=2048, size=40960
TABLE
attach_quietly "$IMG" flags=$PARTSCAN
partition 1
mkfs.ext4 -q -F "${DEV}p1"
mkdir "$TMP/mnt"
mounted "${DEV}p1" "$TMP/mnt"
cp -r "$HERE"/*.sh "$TMP/mnt"
(cd "$HERE" && sha256sum ./*.sh) >"$TMP/sums"

# A mounted partition keeps the device.
loud
lo "$DEV" clr-fd
lo "$DEV" get-status64 flags=$((PARTSCAN | AUTOCLEAR))
umounted "$TMP/mnt"
unbound "$DEV"
no_partitions

attach_quietly "$IMG" flags=$PARTSCAN
partition 1
fsck.ext4 -f -n "${DEV}p1"
mounted -o ro "${DEV}p1" "$TMP/mnt"
(cd "$TMP/mnt" && sha256sum --quiet -c "$TMP/sums")
umounted "$TMP/mnt"
detach
