#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CONFIGURE refuses unknown flags and a bound device, and changes nothing then"

img 64K
new_dev
for flags in 2 32 0x80000000 0xffffffff; do
	lo "$DEV" configure "$IMG" flags=$flags =EINVAL , \
		get-status64 =ENXIO , size 0
done
lo "$DEV" set-fd "$IMG" , set-fd "$IMG" =EBUSY , \
	configure "$IMG" offset=512 =EBUSY , get-status64 offset=0 flags=0 , \
	configure "$IMG" flags=32 =EBUSY , set-fd fd:-1 =EBADF
detach
