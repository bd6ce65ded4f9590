#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="After LOOP_CLR_FD by the only opener nobody gets in, and the device cannot be set up again"

img 1M
new_dev
# udev, if there is one, looks at the device when it has its file, and is an opener then.
quiesce="! command -v udevadm || udevadm settle -t $((120 * PATIENCE))"
lo "$DEV" open rw , set-fd "$IMG" , spawn "$quiesce" , clr-fd , open r =ENXIO , \
	get-status64 =ENXIO , set-fd "$IMG" =EBUSY , clr-fd =ENXIO
unbound "$DEV"
