#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O needs an offset that suits the backing, and with C a block size; else it is not used"

nullb loopdio size=64 blocksize=4096
lower=$NULLB

# By default the block size becomes what direct I/O needs.
new_dev
lo "$DEV" configure "$lower" flags=$DIRECT_IO , get-status64 flags=$DIRECT_IO
limit logical_block_size 4096
detach

# A reader that is there when the offset changes may keep old data (with C).
quiet
lo "$DEV" set-fd "$lower"
limit logical_block_size 512
lo "$DEV" get-status64 flags=0
has_rmw || lo "$DEV" set-dio 1 =EINVAL , get-status64 flags=0
# Buffered I/O serves any offset and length.
io "$DEV" fill 1 0 64K , fsync
io -d "$DEV" write 1536 512 , check 1 0 1536 , check 1 2048 62K
lo "$DEV" set-block-size 4096 , set-dio 1 , get-status64 flags=$DIRECT_IO
io "$DEV" check 1 4096 60K
# Moving the offset off the alignment switches back.
lo "$DEV" set-status64 offset=512 , get-status64 flags=0 , set-dio 1 =EINVAL
io "$DEV" check 1 4096 32K 4608
lo "$DEV" set-status64 offset=8192 , get-status64 flags=0 , set-dio 1
io "$DEV" check 1 0 32K 8192
# And so does, with C, a smaller block size.
lo "$DEV" set-block-size 512
has_rmw || lo "$DEV" get-status64 flags=0
io -d "$DEV" check 1 512 32K 8704
detach

# Asked for at attach and impossible: attached without.
lo "$DEV" configure "$lower" flags=$DIRECT_IO offset=512 , get-status64 flags=0
io "$DEV" check 1 4096 32K 4608
detach
lo "$DEV" configure "$lower" flags=$DIRECT_IO block_size=512
has_rmw || lo "$DEV" get-status64 flags=0
detach
