#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The module cannot go while a device is bound or open, and can afterwards"

need_unload
img 64K
attach "$IMG"
fails rmmod loop
lo "$DEV" size 64K , clr-fd
unbound "$DEV"
exec 7<"$DEV"
fails rmmod loop
exec 7<&-
exec 7<$CONTROL
fails rmmod loop
exec 7<&-
unload_loop
[[ ! -e /sys/block/loop0 && ! -c $CONTROL ]] || fail "devices are left"
fails grep -qw loop /proc/devices
load_loop
poll 5 test -c $CONTROL
attach "$IMG"
detach
unload_loop
# Nothing of it is left which a second load would run into.
load_loop
grep -qw loop /proc/devices
