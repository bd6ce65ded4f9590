#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Limits stay while requests are on their way, also when the file cannot do what they promise"
# Nothing is held up for that.

told() { dmesg | grep -c "operation not supported error, dev loop$N, .*DISCARD"; }
no_discard() { [[ $(sys queue/discard_max_bytes) == 0 ]]; }

fuse_img 1M
attach_quietly "$IMG" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
fuse fail punch EOPNOTSUPP
read_hangs
before=$(told) || true
io "$DEV" discard 64K 64K
fuse_saw "punch"
# Time for the change to be tried.
sleep 1
! no_discard || fail "the limit has changed under a request"
io -d "$DEV" write 128K 4K , discard 256K 64K
same "lines in dmesg" $(($(told) - before)) 1
read_goes_on
poll 20 no_discard || fail "the limit stays"
detach
