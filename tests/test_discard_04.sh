#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Discards on a block device become its write-zeroes, if it has them"

nullb loopdis1 size=16
attach "$NULLB"
limit discard_max_bytes "$(<"/sys/block/${NULLB#/dev/}/queue/write_zeroes_max_bytes")"
lower=/sys/block/${NULLB#/dev/}/queue/write_zeroes_max_bytes
if [[ $(<"$lower") == 0 ]]; then
	io "$DEV" fill 1 0 1M , fsync , discard 0 64K =EOPNOTSUPP
fi
detach

# A loop device does.
img 4M
attach "$IMG"
lower=$DEV
attach "$lower"
limit discard_granularity "$(<"/sys/block/${lower#/dev/}/queue/discard_granularity")"
io "$DEV" fill 1 0 4M , fsync , discard 1M 1M , flush , zero 1M 1M , \
	check 1 0 1M , check 1 2M 2M
detach
detach_dev "$lower"
io "$IMG" zero 1M 1M , check 1 2M 2M
