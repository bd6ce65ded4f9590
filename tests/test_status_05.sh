#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The old LOOP_SET_STATUS and LOOP_GET_STATUS carry the fields they have"

img 1M
attach "$IMG" sizelimit=65536
exec 7<"$DEV"
# The old structure has no limit: it is taken away.
lo "$DEV" set-status offset=8192 file_name=old flags=$AUTOCLEAR , \
	get-status64 offset=8192 sizelimit=0 file_name=old flags=$AUTOCLEAR , \
	size $((1048576 - 8192)) , \
	get-status offset=8192 file_name=old flags=$AUTOCLEAR number="$N" \
		inode="$(stat -c %i "$IMG")" device="$(stat -c %d "$IMG")" \
		rdevice=0 encrypt_type=0 key_size=0 key= init=0
# The old structure's key and type never arrive.
lo "$DEV" set-status encrypt_type=1 key_size=99 , get-status64 offset=0
# A negative offset is a huge one.
lo "$DEV" set-status offset=0x80000000 =EOVERFLOW
# An offset that does not fit cannot be told.
lo "$DEV" set-status64 offset=0x100000000 , get-status =EOVERFLOW , \
	get-status64 offset=0x100000000
lo "$DEV" set-status64 offset=0 , get-status offset=0
exec 7<&-
detach
