#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing device that can be read but not written, or only written, or that forgets what it is told"

need_module dm_flakey
nullb loopfail size=16
# Never up for long, and down for ever with these features.
flakey="0 32768 flakey $NULLB 0 0 1000000"
dm loop-selftest "0 32768 linear $NULLB 0"
attach_quietly /dev/mapper/loop-selftest flags=$DIRECT_IO
io -d "$DEV" fill 1 0 1M , fsync

dm_table loop-selftest "$flakey 1 error_writes"
io -d "$DEV" check 1 0 1M , write 0 4096 =EIO , write 64K 64K =EIO , check 1 0 1M
# Who wrote through the cache is told when it is written.
io "$DEV" fill 2 0 64K , fsync =EIO
io "$DEV" flush , check 1 0 64K

dm_table loop-selftest "$flakey 1 error_reads"
io -d "$DEV" read 0 4096 =EIO , fill 3 0 64K , read 0 64K =EIO , fsync

# Nobody can notice this: nothing of it may come from elsewhere.
dm_table loop-selftest "$flakey 1 drop_writes"
io -d "$DEV" fill 4 0 1M , fsync , check 3 0 64K , check 1 64K 960K
detach
io "$NULLB" flush , check 3 0 64K , check 1 64K 960K
