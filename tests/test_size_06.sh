#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Reads of what was cut off the file fail, what is left stays readable, writes grow it"

img 1M
io "$IMG" fill 1 0 1M
attach "$IMG"
truncate -s 512K "$IMG"
for direct in 0 1; do
	lo "$DEV" set-dio $direct , size 1M
	io -d "$DEV" check 1 0 512K , read 512K 4096 =EIO , \
		read 1044480 4096 =EIO , read 520192 8192 =EIO
done
io -d "$DEV" fill 2 768K 64K
same "size of the file" "$(stat -c %s "$IMG")" $((832 * 1024))
io -d "$DEV" check 2 768K 64K , zero 512K 256K
detach
