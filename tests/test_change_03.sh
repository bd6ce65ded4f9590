#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="After LOOP_CHANGE_FD to a file that asks for a larger alignment of buffers, those are taken that were before"

# dm-crypt cannot take a sector that is not in one piece of memory.
need_module dm_crypt
nullb loopdma size=16
dm loop-selftest "0 32768 crypt aes-xts-plain64 $(printf '%064d' 7) 0 $NULLB 0 1 sector_size:4096"
lower=$(readlink -f /dev/mapper/loop-selftest)
align=$(<"/sys/block/${lower#/dev/}/queue/dma_alignment")
((align > 511)) || skip "dma_alignment of dm-crypt is $align"
io -d "$lower" fill 1 0 256K
img 16M
attach "r:$IMG" block_size=4096
limit dma_alignment 511
lo "$DEV" change-fd "rd:$lower"
# That is not possible with direct I/O.
lo "$DEV" get-status64 flags=$READ_ONLY
limit dma_alignment 511
io -d -m 512 "$DEV" check 1 0 256K
detach
