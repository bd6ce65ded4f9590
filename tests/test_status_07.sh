#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The largest offsets and limits are taken, told and applied without overflow"

img 1M
io "$IMG" fill 1 0 1M
MAX=0x7fffffffffffffff
new_dev
for setting in "offset=$MAX sizelimit=$MAX 0" "offset=$MAX sizelimit=1 0" \
	"offset=4096 sizelimit=$MAX 1044480" "offset=0 sizelimit=$MAX 1048576" \
	"offset=0x7ffffffffffffe00 sizelimit=512 0" \
	"offset=1048064 sizelimit=$MAX 512" "offset=1048065 sizelimit=$MAX 0" \
	"offset=0 sizelimit=511 0" "offset=0 sizelimit=1 0"; do
	read -r offset limit size <<<"$setting"
	lo "$DEV" configure "$IMG" "$offset" "$limit" , size "$size" , \
		get-status64 "$offset" "$limit" , set-capacity , size "$size"
	same "offset" "$(sys loop/offset)" $((${offset#*=}))
	same "sizelimit" "$(sys loop/sizelimit)" $((${limit#*=}))
	lo "$DEV" set-status64 , size 1M , set-status64 "$offset" "$limit" , size "$size"
	io "$DEV" check 1 0 "$size" $((size ? ${offset#*=} : 0))
	detach
done
