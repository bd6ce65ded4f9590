#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The nodes are closed to a user without privilege; with a descriptor of loop-control he makes and removes devices"

need_namespaces
new_dev
img 64K
for node in "$DEV" $CONTROL; do
	as_user loop_ioctl "$node" open r =EACCES , open w =EACCES , open rw =EACCES
	as_user_root loop_ioctl "$node" open r =EACCES
done
fails as_user losetup "$DEV" "$IMG"
is_unbound "$DEV" || fail "$DEV is attached"

# By a descriptor that only reads.
exec 7<$CONTROL
for as in as_user as_user_root; do
	n=$($as loop_ioctl fd:7 add -1)
	[[ -d /sys/block/loop$n ]] || fail "loop$n was not made"
	$as loop_ioctl fd:7 add "$n" =EEXIST , get-free >/dev/null
	poll 10 $as loop_ioctl fd:7 remove "$n" || fail "loop$n cannot be removed"
	[[ ! -d /sys/block/loop$n ]] || fail "loop$n is still there"
done
# What is bound stays.
lo "$DEV" set-fd "$IMG"
as_user loop_ioctl fd:7 remove "$N" =EBUSY
exec 7<&-
detach
