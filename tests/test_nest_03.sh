#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A null_blk device as backing: data, flush and discard arrive there"

nullb loopback size=64
io "$NULLB" fill 1 0 1M , fsync
attach "$NULLB"
lo "$DEV" size 64M , get-status64 rdevice="$(stat -c %r "$NULLB")"
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	io "$DEV" check 1 0 64K , fill 2 128K 256K , fsync
	io "$NULLB" flush , check 2 128K 256K , check 1 0 64K
	io "$DEV" fill 1 128K 256K , fsync
done
fio_verify "$DEV" --direct=1 --size=4m --fsync=64
detach
