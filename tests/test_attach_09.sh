#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# After LOOP_CLR_FD by the only opener nobody gets in, and the device cannot be set up again.

. ./test_common.sh

need udevadm
img 1M
new_dev
# udev looks at the device when it has its file, and is an opener then.
lo "$DEV" open rw , set-fd "$IMG" , spawn 'udevadm settle' , clr-fd , open r =ENXIO , \
	get-status64 =ENXIO , set-fd "$IMG" =EBUSY , clr-fd =ENXIO
unbound "$DEV"
