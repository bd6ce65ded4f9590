#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A loop device on a loop device passes data, flushes and discards through"

img 4M
attach "$IMG" offset=4096
lower=$DEV
attach "$lower" offset=8192
for dio in 0 1; do
	lo "$DEV" set-dio $dio , size $((4194304 - 12288)) , \
		get-status64 rdevice="$(stat -c %r "$lower")"
	io "$DEV" fill $((dio + 1)) 64K 256K , fsync
	io "$IMG" check $((dio + 1)) $((12288 + 65536)) 256K 64K
	io "$DEV" discard 64K 128K , flush , zero 64K 128K
	io "$IMG" zero $((12288 + 65536)) 128K
done
same "backing_file" "$(sys loop/backing_file)" "$lower"
# The lower one stays while the upper one is there.
lo "$lower" clr-fd
lo "$lower" get-status64 flags=$AUTOCLEAR offset=4096
io "$DEV" check 2 192K 128K
detach
unbound "$lower"
