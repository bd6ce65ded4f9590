#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Every refused LOOP_SET_STATUS changes nothing, in either generation"

gpt_img 4M
attach_quietly "$IMG" offset=512 sizelimit=1M file_name=kept
OPS=()
for type in 1 2 3 4 5 6 7 8 9 10 16 17 18 19 32 0x10000 0x80000000 0xffffffff; do
	OPS+=(set-status64 "encrypt_type=$type" file_name=new flags=12 "=EINVAL" ",")
done
for size in 33 64 255 0x7fffffff 0x80000000 0xffffffff; do
	OPS+=(set-status64 "key_size=$size" offset=1024 flags=8 "=EINVAL" ",")
done
for field in offset=0x8000000000000000 sizelimit=0x8000000000000000 \
	offset=0xffffffffffffffff sizelimit=0xfffffffffffffe00; do
	OPS+=(set-status64 "$field" flags=8 "=EOVERFLOW" ",")
	OPS+=(set-status64 "$field" encrypt_type=9 "=EINVAL" ",")
done
unchanged lo "$DEV" "${OPS[@]}"
OPS=()
for offset in 0x80000000 0xffffffff 0xfffffe00; do
	OPS+=(set-status "offset=$offset" flags=8 "=EOVERFLOW" ",")
done
unchanged lo "$DEV" "${OPS[@]}"
unchanged lo -c "$DEV" "${OPS[@]}"
no_partitions
# What was not refused is taken.
lo "$DEV" set-status64 key_size=32 file_name=new , \
	get-status64 offset=0 sizelimit=0 file_name=new , size 4M
detach
