#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD with a partition open keeps the old partitions, and says so"

gpt_img 4M
cp "$IMG" "$TMP/other"
img 4M empty
attach_quietly "r:$TMP/img" flags=$PARTSCAN
partition 1
exec 7<"${DEV}p1"
lo "$DEV" change-fd "r:$TMP/empty"
partition 1
partition 2
dmesg | awk -v mark="$MARK" 'index($0, mark) { seen = 1 } seen' |
	grep -q "loop$N.*fail.*-16" || fail "dmesg does not tell of it"
io -d "${DEV}p1" zero 0 64K
exec 7<&-
lo "$DEV" change-fd "r:$TMP/empty"
no_partitions
lo "$DEV" change-fd "r:$TMP/other"
partition 2
detach
