#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A table can be read again while partscan is on, and only then"

need sfdisk
img 8M
# BLKRRPART
REREAD="ioctl 0x125f 0"
new_dev
quiet
# shellcheck disable=SC2086
lo "$DEV" $REREAD =EINVAL , set-fd "$IMG" , $REREAD =EINVAL
sfdisk -q --no-reread --no-tell-kernel "$IMG" <<-TABLE
	label: gpt
	start=2048, size=512
TABLE
# shellcheck disable=SC2086
lo "$DEV" $REREAD =EINVAL
no_partitions
lo "$DEV" set-status64 flags=$PARTSCAN
partition 1
sfdisk -q --no-reread --no-tell-kernel "$IMG" <<-TABLE
	label: gpt
	start=2048, size=512
	start=4096, size=512
TABLE
fails partition 2
# What is cached of the table is of the old one.
blockdev --flushbufs "$DEV"
# shellcheck disable=SC2086
lo "$DEV" $REREAD
partition 2
# Not while one is open.
# shellcheck disable=SC2086
lo "${DEV}p2" open r , spawn "loop_ioctl $DEV $REREAD =EBUSY"
partition 2
detach
no_partitions

# It is off again with the next file, until that asks for it.
quiet
# shellcheck disable=SC2086
lo "$DEV" set-fd "$IMG" , $REREAD =EINVAL
no_partitions
detach
