#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device with LO_FLAGS_AUTOCLEAR is detached by its last close and not before"

img 1M
new_dev
lo "$DEV" open rw , configure "$IMG" flags=$AUTOCLEAR , open r , close 0 , \
	use 1 , get-status64 flags=$AUTOCLEAR , size 1M
unbound "$DEV"

# Asked for later, and taken back.
lo "$DEV" set-fd "$IMG"
lo "$DEV" set-status64 flags=$AUTOCLEAR , set-status64 flags=0
lo "$DEV" get-status64 flags=0 , set-status64 flags=$AUTOCLEAR
unbound "$DEV"
