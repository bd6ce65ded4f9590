#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On a partition of a loop device with direct I/O the limits follow the device"

img 8M below
attach_quietly "$TMP/below" flags=$DIRECT_IO
loud
lo "$DEV" add-part 1 1M 4M
lower=$DEV
partition 1
limits_follow "${lower}p1"
detach_dev "$lower"
