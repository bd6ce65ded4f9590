#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Reads and writes end at the end of the device"

img 1M
attach "$IMG"
for d in "" -d; do
	# shellcheck disable=SC2086
	io $d "$DEV" read 1M 512 0 , read 2M 4096 0 , write 1M 512 =ENOSPC , \
		read $((1048576 - 512)) 4096 512 , \
		write $((1048576 - 512)) 512
done
same "size of the file" "$(stat -c %s "$IMG")" 1048576
detach
