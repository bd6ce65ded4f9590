#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD from two threads never lets a reader see data of neither file"

img 256K a
img 256K b
for file in a b; do
	for ((i = 0; i < 64; i++)); do
		[[ $file == a ]] && seed=1 || seed=2
		echo "fill $seed $((i * 4096)) 4096 0 ,"
	done | tr '\n' ' ' >"$TMP/ops"
	# shellcheck disable=SC2046
	io "$TMP/$file" $(<"$TMP/ops")
done
attach "r:$TMP/a"
loop_stress change 150 "$DEV" "$TMP/a" "$TMP/b"
detach
