#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD leaves all limits as they are"

nullb loopqueue size=16 rotational=1 blocksize=4096
img 16M
attach "r:$IMG" block_size=4096
# What a read-only device can use of them is the same.
before=$(grep . "$SYS"/queue/*)
for file in "r:$NULLB" "rd:$NULLB" "r:$IMG" "rd:$IMG"; do
	lo "$DEV" change-fd "$file"
	now=$(grep . "$SYS"/queue/*)
	same "limits" "$now" "$before"
done
lo "$DEV" get-status64 flags=$((READ_ONLY | DIRECT_IO))
detach
