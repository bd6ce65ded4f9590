#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct readers and writers may have buffers aligned to 512 bytes or to dma_alignment only"

fs ext4
img 4M "$FS/img"
for flags in 0 $DIRECT_IO; do
	attach "$IMG" flags="$flags"
	align=$(($(sys queue/dma_alignment) + 1))
	for mem in 512 1536 "$align"; do
		io -d -m "$mem" "$DEV" fill "$mem" 0 256K , \
			check "$mem" 0 256K
	done
	io -d "$DEV" check "$align" 0 256K
	detach
done
