#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While a write waits for a thaw, several tasks that change the device keep nobody from reading it, as one does not"

fs ext4
written_img 2M
attach_quietly "$IMG"
exec 7<"$DEV"
frozen "$FS"
background loop_io -d "$DEV" fill 2 0 64K
writer=${JOBS[-1]}
sleep 0.5
! ended "$writer" || fail "a write went through"
changers=()
for i in 1 2 3 4 5; do
	background loop_ioctl "$DEV" set-status64 keep file_name="name$i"
	changers+=("${JOBS[-1]}")
done
sleep 5
for _ in 1 2 3; do
	soon loop_io -d -b 4096 "$DEV" check 1 64K 64K
done
! ended "$writer" || fail "a write went through"
thawed
wait "$writer" "${changers[@]}" || fail "something failed"
exec 7<&-
detach
umounted "$FS"
