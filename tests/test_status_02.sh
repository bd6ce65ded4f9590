#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_SET_STATUS64 sets autoclear and partscan, clears autoclear only, leaves the rest"

img 1M
attach "$IMG"
# Held open, so that autoclear does not strike.
exec 7<"$DEV"
lo "$DEV" set-status64 flags=$((READ_ONLY | DIRECT_IO)) , \
	get-status64 flags=0 , ro 0
lo "$DEV" set-status64 flags=0xffffff00 , get-status64 flags=0
lo "$DEV" set-status64 flags=$((AUTOCLEAR | PARTSCAN)) , \
	get-status64 flags=$((AUTOCLEAR | PARTSCAN))
lo "$DEV" set-status64 flags=0 , get-status64 flags=$PARTSCAN
exec 7<&-
detach

attach "$IMG" flags=$((READ_ONLY | DIRECT_IO))
lo "$DEV" set-status64 flags=0 , get-status64 flags=$((READ_ONLY | DIRECT_IO))
detach
