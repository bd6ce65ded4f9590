#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What the only opener wrote before its LOOP_CLR_FD reaches the file with the close"

need udevadm
img 1M
zeroes=$(md5sum <"$IMG")
new_dev
# udev opens it too, for a while.
lo "$DEV" open rw , set-fd "$IMG" , spawn 'udevadm settle' , write 0 4096 , clr-fd
unbound "$DEV"
[[ $(md5sum <"$IMG") != "$zeroes" ]] || fail "the write is lost"
