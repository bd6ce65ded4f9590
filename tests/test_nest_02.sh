#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A loop device cannot come to stand on itself, nor on one which is not bound"

img 1M
new_dev
lo "$DEV" set-fd "$DEV" =EBADF , set-fd "r:$DEV" =EBADF , get-status64 =ENXIO

# An unbound one is no backing.
other=$(lo $CONTROL add -1)
other=/dev/loop$other
poll 5 test -b "$other"
lo "$DEV" set-fd "$other" =EINVAL , configure "$other" =EINVAL

# A chain of three, closed to a ring by LOOP_CHANGE_FD.
lo "$DEV" set-fd "r:$IMG"
first=$DEV
lo "$other" set-fd "r:$first"
attach "r:$other"
third=$DEV
lo "$first" change-fd "r:$third" =EBADF , change-fd "r:$other" =EBADF , \
	change-fd "r:$first" =EBADF , get-status64 inode="$(stat -c %i "$IMG")"
lo "$third" change-fd "r:$first" , \
	get-status64 rdevice="$(stat -c %r "$first")"
detach_dev "$third" "$other" "$first"
