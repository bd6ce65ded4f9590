#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On a block device the limits follow its own: block sizes, and whether it has memory"

i=0
for settings in "" blocksize=4096 memory_backed=0; do
	# shellcheck disable=SC2086
	nullb loopqueue$((i++)) size=16 $settings
	limits_follow "$NULLB"
done
