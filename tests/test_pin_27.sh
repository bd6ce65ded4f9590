#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="The filesystem lies on a partition, or on two pieces of a disk put together"

need sfdisk
nullb looppin0 size=130
sfdisk -q "$NULLB" <<-TABLE
	label: gpt
	start=4096, size=131072
	start=139264, size=65536
	start=206848, size=53248
TABLE
settle
[[ -b ${NULLB}p1 ]] || poll 5 test -b "${NULLB}p1" || skip "no partitions"
LOOP_SCRATCH_DEV=${NULLB}p1 fs ext4 64
pinned_img 8M
fio_verify "$DEV" --direct=1 --size=8m
io -d "$DEV" fill 2 0 8M
detach
io "$IMG" drop , check 2 0 8M
umounted "$FS"
dm loop-selftest "$(printf '%s\n' "0 65536 linear ${NULLB}p2 0" "65536 53248 linear ${NULLB}p3 0")"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 58
pinned_img 40M
io -d "$DEV" check 1 0 40M
fio_verify "$DEV" --direct=1 --size=40m --io_size=8m --bs=4k-256k
io -d "$DEV" fill 2 0 40M
detach
io "$IMG" drop , check 2 0 40M
umounted "$FS"
