#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="hw_queue_depth takes any positive number; parameters are read-only files"

need_unload
unload_loop
for depth in 0 -1 x 0x80000000; do
	fails load_loop hw_queue_depth=$depth
done
load_loop hw_queue_depth=8
same "hw_queue_depth" "$(</sys/module/loop/parameters/hw_queue_depth)" 8
img 256K
attach "$IMG" flags=$DIRECT_IO
limit nr_requests 8
io "$DEV" fill 1 0 256K , fsync , check 1 0 256K
detach
unload_loop
load_loop
same "hw_queue_depth" "$(</sys/module/loop/parameters/hw_queue_depth)" 128
for p in max_loop max_part hw_queue_depth; do
	same "mode of $p" "$(stat -c %a /sys/module/loop/parameters/$p)" 444
done
modinfo -F parm "${LOOP_KO:-loop}" >"$TMP/parm"
for p in max_loop max_part hw_queue_depth; do
	grep -q "^$p:" "$TMP/parm" || fail "modinfo does not know $p"
done
modinfo -F alias "${LOOP_KO:-loop}" >"$TMP/alias"
for alias in devname:loop-control char-major-10-237 'block-major-7-*'; do
	grep -qxF -- "$alias" "$TMP/alias" || fail "no alias $alias"
done
