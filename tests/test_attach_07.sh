#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Whoever holds the device exclusively keeps others from attaching, and may attach"

img 1M
new_dev
lo "$DEV" open rx , open rw , set-fd "$IMG" =EBUSY , \
	configure "$IMG" =EBUSY , get-status64 =ENXIO
lo "$DEV" get-status64 =ENXIO
lo "$DEV" open rwx , set-fd "$IMG" , size 1M , get-status64 flags=0
detach

# An unbound device can be claimed without consequences for others.
lo "$DEV" open rx , close 0 , open rw , set-fd "$IMG" , clr-fd
unbound "$DEV"
