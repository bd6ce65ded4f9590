#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="pinned=1 pins what is attached with direct I/O and qualifies; the rest works without"

need_unload
unload_loop
fails load_loop pinned=x
load_loop pinned=1
same "pinned" "$(</sys/module/loop/parameters/pinned)" 1
fs ext4
written_img 1M
attach "$IMG" flags=$DIRECT_IO
is_pinned 1
io -d "$DEV" check 1 0 1M
unpin
detach
attach "d:$IMG"
is_pinned 1
detach
attach "$IMG"
is_pinned 0
same "pinned_reason" "$(sys loop/pinned_reason)" ""
detach
img 1M "$FS/sparse"
attach "$IMG" flags=$DIRECT_IO
is_pinned 0
[[ $(sys loop/pinned_reason) == *"never written"* ]]
io -d "$DEV" fill 1 0 1M , check 1 0 1M
detach
unload_loop
load_loop
same "pinned" "$(</sys/module/loop/parameters/pinned)" 0
modinfo -F parm "${LOOP_KO:-loop}" >"$TMP/parm"
grep -q "^pinned:" "$TMP/parm" || fail "modinfo does not know pinned"
