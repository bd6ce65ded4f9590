#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where a block cannot be read or written, a write of a part of it fails, and what lies beside it stays"

need_module dm_flakey
nullb looprmw size=16 blocksize=4096
dm loop-selftest "0 32768 linear $NULLB 0"
lower=$(readlink -f /dev/mapper/loop-selftest)
io -d "$NULLB" fill 1 0 1M

# table LINE: is there when all that came before is done.
table()
{
	dmsetup suspend --noflush loop-selftest
	dmsetup load loop-selftest --table "$1"
	dmsetup resume loop-selftest
}

attach "$lower" block_size=512 flags=$DIRECT_IO
in_blocks
# The second block cannot be read, nor written.
table "0 8 linear $NULLB 0
8 8 error
16 32752 linear $NULLB 16"
io -d "$DEV" write 4608 512 =EIO , read 4608 512 =EIO
# It is the last of three.
io -d "$DEV" write 512 4096 =EIO
io -d "$DEV" check 1 1024 3072 , check 1 8192 64K
# It can be read, but not written.
table "0 8 linear $NULLB 0
8 8 flakey $NULLB 8 0 60 1 error_writes
16 32752 linear $NULLB 16"
io -d "$DEV" write 4608 512 =EIO
io -d "$DEV" check 1 4096 4096
table "0 32768 linear $NULLB 0"
io -d "$DEV" check 1 4096 64K , fill 2 4608 512 , check 2 4608 512 , check 1 4096 512 , check 1 5120 3072
detach
io "$NULLB" drop , check 1 0 512 , check 1 4096 512 , check 2 4608 512 , check 1 5120 64K
