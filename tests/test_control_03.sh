#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CTL_GET_FREE finds the first unbound device, or makes one"

img 64K
DEVS=()
while new_dev && [[ -n ${LOOPS_BEFORE[$N]:-} ]]; do
	lo "$DEV" set-fd "$IMG"
	DEVS+=("$DEV")
done
# All that there were are taken: this one is new.
lo "$DEV" set-fd "$IMG"
DEVS+=("$DEV")
first=${DEVS[0]}
detach_dev "$first"
same "free device" "/dev/loop$(lo $CONTROL get-free)" "$first"
for dev in "${DEVS[@]:1}"; do
	lo "$dev" clr-fd
done
for dev in "${DEVS[@]:1}"; do
	unbound "$dev"
done
