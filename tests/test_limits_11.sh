#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On a block device the limits follow its own: rotation, discard, write cache"

i=0
for settings in "rotational=1 discard=1" "cache_size=4 blocksize=1024"; do
	# shellcheck disable=SC2086
	nullb loopqueue$((i++)) size=16 $settings
	limits_follow "$NULLB"
done
