#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O is used with smaller blocks than those of the backing file if it is asked for; where it is not possible, dio_reason says why"

# dio EXPECTED [REASON]: direct I/O is on or off, and that is why.
dio()
{
	same "dio" "$(sys loop/dio)" "$1"
	same "dio_reason" "$(sys loop/dio_reason)" "${2:-}"
}

# sizes LOGICAL PREFERRED
sizes()
{
	limit logical_block_size "$1"
	limit physical_block_size "$2"
	limit minimum_io_size "$2"
	limit optimal_io_size $(($2 > $1 ? $2 : 0))
}

offset="the offset is not a multiple of the blocks that direct I/O on the backing file takes"
nullb looprmw size=16 blocksize=4096
attach "$NULLB" block_size=512 flags=$DIRECT_IO
dio 1
sizes 512 4096
limit dma_alignment 511
lo "$DEV" set-status64 offset=512 , get-status64 flags=0
dio 0 "$offset"
lo "$DEV" set-dio 1 =EINVAL
dio 0 "$offset"
lo "$DEV" set-dio 0
dio 0
lo "$DEV" set-dio 1 =EINVAL
dio 0 "$offset"
lo "$DEV" set-status64 offset=4096
dio 0 "it was not possible when it was asked for"
lo "$DEV" set-dio 1 , get-status64 flags=$DIRECT_IO
dio 1
sizes 512 4096
lo "$DEV" set-dio 0
dio 0
sizes 512 512
lo "$DEV" set-dio 1 , set-block-size 1024
dio 1
sizes 1024 4096
lo "$DEV" set-block-size 4096
dio 1
sizes 4096 4096
lo "$DEV" set-block-size 0
dio 1
sizes 4096 4096
detach
sizes 512 512

# As the C driver does without a block size.
attach "$NULLB" flags=$DIRECT_IO
dio 1
sizes 4096 4096
detach
attach "$NULLB"
dio 0
sizes 512 512
lo "$DEV" set-dio 1
dio 1
sizes 512 4096
detach
attach "$NULLB" flags=$DIRECT_IO offset=1536
dio 0 "$offset"
detach

mkdir "$TMP/ramfs"
mounted -t ramfs none "$TMP/ramfs"
img 1M "$TMP/ramfs/img"
attach "$IMG" flags=$DIRECT_IO
dio 0 "the backing file does not support it"
detach
rm "$IMG"
umounted "$TMP/ramfs"

# Another file: one of whose blocks a part is read, too, and back.
fs ext4 64
img 16M "$FS/img"
io "$NULLB" fill 1 0 16M , fsync
io "$IMG" fill 2 0 16M , fsync
attach "r:$IMG" block_size=512 flags=$DIRECT_IO
dio 1
sizes 512 512
lo "$DEV" change-fd "r:$NULLB"
dio 1
io -d -b 1536 -m 512 "$DEV" check 1 512 15M
lo "$DEV" change-fd "r:$IMG"
dio 1
io -d -b 1536 -m 512 "$DEV" check 2 512 15M
detach
