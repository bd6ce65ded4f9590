#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="More partitions than minor numbers are no problem"

need sfdisk
img 16M
{
	echo "label: gpt"
	for ((i = 0; i < 40; i++)); do
		echo "start=$((2048 + i * 512)), size=512"
	done
} | sfdisk -q "$IMG"
for ((i = 0; i < 40; i++)); do
	io "$IMG" fill $i $((1048576 + i * 262144)) 4096 0
done
attach_quietly "$IMG" flags=$PARTSCAN
for i in 1 16 17 40; do
	partition $i
	io "${DEV}p$i" check $((i - 1)) 0 4096
	# They have numbers of their own.
	same "major of p$i" "$(sys "loop${N}p$i/dev" | cut -d: -f1)" 259
	same "partition" "$(sys "loop${N}p$i/partition")" $i
done
fails partition 41
detach
no_partitions
