#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="512-byte sectors of a device on a disk with 4096-byte sectors: random ranges, written by several processes at once, are what was written"

nullb looprmw size=64 blocksize=4096 submit_queues=2
attach "$NULLB" block_size=512 flags=$DIRECT_IO
in_blocks
# Small, so that many share a block.
loop_rmw -p 8 -n 400 -f "$NULLB:0" "$DEV" 0 32K
# Many merged, large, and on all hardware queues.
loop_rmw -p 8 -n 400 -r 2 -f "$NULLB:0" "$DEV" 512 8M
fio_verify "$DEV" --direct=1 --bsrange=512-20k --size=8m
detach
# It begins where a block does, and ends where none does.
attach "$NULLB" block_size=512 flags=$DIRECT_IO offset=1M sizelimit=0x12e00
in_blocks
io -d "$NULLB" fill 7 0 2M
loop_rmw -p 8 -n 400 -r 3 -f "$NULLB:1M" "$DEV" 0 0x12e00
io -d "$NULLB" check 7 0 1M
io "$NULLB" check 7 0x112e00 64K
detach
