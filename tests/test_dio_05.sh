#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O asks for the DMA alignment of the backing: it gets buffers it can take"

# dm-crypt cannot take a sector that is not in one piece of memory.
need_module dm_crypt
nullb loopdma size=16
dm loop-selftest "0 32768 crypt aes-xts-plain64 $(printf '%064d' 7) 0 $NULLB 0 1 sector_size:4096"
lower=$(readlink -f /dev/mapper/loop-selftest)
align=$(<"/sys/block/${lower#/dev/}/queue/dma_alignment")
((align > 511)) || skip "dma_alignment of dm-crypt is $align"
attach "$lower" flags=$DIRECT_IO
lo "$DEV" get-status64 flags=$DIRECT_IO
limit dma_alignment "$align"
# So others are refused before they fail in the middle.
io -d -m 512 "$DEV" read 0 4096 =EINVAL
io -d "$DEV" fill 1 0 256K , check 1 0 256K
# Through the page cache it does not matter, but see test_limits_13.
lo "$DEV" set-dio 0
io -d "$DEV" fill 2 0 256K , check 2 0 256K
lo "$DEV" set-dio 1
limit dma_alignment "$align"
detach
