#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="512-byte sectors of a device on a disk that needs buffers of 4096 bytes in one piece, and on one that needs them read and written in its own order (dm-crypt, with a sector size of 4096)"

need_module dm_crypt
nullb looprmw size=32
dm loop-selftest "0 65536 crypt aes-xts-plain64 $(printf '%064d' 7) 0 $NULLB 0 1 sector_size:4096"
lower=$(readlink -f /dev/mapper/loop-selftest)
attach "$lower" block_size=512 flags=$DIRECT_IO
in_blocks
limit dma_alignment 511
for mem in 0 512 3584; do
	io -d -m "$mem" "$DEV" fill "$mem" 0 256K , check "$mem" 0 256K
	io -d -m "$mem" -b 2560 "$DEV" fill "$mem" 512 256K , check "$mem" 512 256K
done
loop_rmw -p 6 -n 200 -f "$lower:0" "$DEV" 0 64K
loop_rmw -p 6 -n 100 -r 2 -f "$lower:0" "$DEV" 3584 4M
detach
