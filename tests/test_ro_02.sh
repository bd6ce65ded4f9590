#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LO_FLAGS_READ_ONLY, or a device opened read-only, makes it read-only on a writable file"

img 1M
new_dev
lo "$DEV" configure "$IMG" flags=$READ_ONLY , ro 1 , write 0 4096 =EPERM , \
	get-status64 flags=$READ_ONLY
detach
lo "$DEV" open r , set-fd "$IMG" , ro 1 , get-status64 flags=$READ_ONLY
detach
lo "$DEV" open r , configure "$IMG" , ro 1 , get-status64 flags=$READ_ONLY
detach
