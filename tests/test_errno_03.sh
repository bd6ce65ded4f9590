#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Bad addresses fail with EFAULT, NULL for the status with EINVAL, odd ones work"

img 64K
new_dev
for ptr in null bad edge; do
	lo "$DEV" configure "$IMG" ptr=$ptr =EFAULT
done
lo "$DEV" configure "$IMG" ptr=odd
for old in "" -c; do
	# shellcheck disable=SC2086
	lo $old "$DEV" get-status ptr=null =EINVAL , get-status64 ptr=null =EINVAL , \
		set-status ptr=null =EFAULT , set-status64 ptr=null =EFAULT
	for ptr in bad edge; do
		# shellcheck disable=SC2086
		lo $old "$DEV" get-status ptr=$ptr =EFAULT , \
			get-status64 ptr=$ptr =EFAULT , \
			set-status ptr=$ptr =EFAULT , \
			set-status64 ptr=$ptr =EFAULT
	done
	# shellcheck disable=SC2086
	lo $old "$DEV" get-status ptr=ro =EFAULT , get-status64 ptr=ro =EFAULT , \
		set-status64 ptr=ro file_name=ro , \
		set-status64 ptr=odd file_name=odd , \
		get-status64 ptr=odd file_name=odd , \
		set-status ptr=odd file_name=old , get-status ptr=odd file_name=old
done
detach
