#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="Switching it on or off takes CAP_SYS_ADMIN, and an attached device"

need setpriv
without=(setpriv --bounding-set=-all --inh-caps=-all)
fs ext4
written_img 1M
attach "$IMG" flags=$DIRECT_IO
"${without[@]}" loop_io "$SYS/loop/pinned" put 1 =EPERM , put fill =EPERM , put x =EPERM
is_pinned 0
pin 1
unchanged "${without[@]}" loop_io "$SYS/loop/pinned" put 0 =EPERM
is_pinned 1
same "read" "$("${without[@]}" cat "$SYS/loop/pinned")" 1
# Who opened it before may still write, but the device is gone.
exec 7>"$SYS/loop/pinned"
detach
fails eval "echo 1 >&7"
exec 7>&-
[[ ! -e $SYS/loop/pinned ]] || fail "there is an attribute without a file"
