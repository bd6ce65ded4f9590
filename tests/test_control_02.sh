#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CTL_REMOVE takes away an idle device, and no other: EBUSY, ENODEV, EINVAL"

img 64K
n=$(lo $CONTROL add -1)
poll 5 test -b "/dev/loop$n"
lo "/dev/loop$n" set-fd "$IMG"
lo $CONTROL remove "$n" =EBUSY
lo "/dev/loop$n" size 64K , get-status64 number="$n" , clr-fd
unbound "/dev/loop$n"
exec 7<"/dev/loop$n"
lo $CONTROL remove "$n" =EBUSY
exec 7<&-
poll 10 lo $CONTROL remove "$n"
lo $CONTROL remove "$n" =ENODEV
lo $CONTROL remove 999999 =ENODEV
lo $CONTROL remove -1 =EINVAL
# And what was removed can come again.
same "result" "$(lo $CONTROL add "$n")" "$n"
poll 10 lo $CONTROL remove "$n"
