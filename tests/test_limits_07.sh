#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On a loop device the limits follow that"

img 8M below
for args in flags=0 block_size=4096; do
	attach "$TMP/below" "$args"
	lower=$DEV
	limits_follow "$lower"
	detach_dev "$lower"
done
