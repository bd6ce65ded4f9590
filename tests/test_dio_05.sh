#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# With direct I/O on a backing of large DMA alignment, requests carry buffers it can take.

. ./test_common.sh

nullb loopdma size=64 blocksize=4096
align=$(<"/sys/block/${NULLB#/dev/}/queue/dma_alignment")
((align >= 4095)) || skip "dma_alignment of null_blk is $align"
attach "$NULLB" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
limit dma_alignment "$align"
io -d -m 512 -b 8K "$DEV" read 0 4096 =EINVAL
io -d "$DEV" fill 1 0 256K , check 1 0 256K
# Through the page cache it does not matter.
lo "$DEV" set-dio 0
limit dma_alignment 511
io -d -m 512 "$DEV" fill 2 0 256K , check 2 0 256K
lo "$DEV" set-dio 1
limit dma_alignment "$align"
detach
