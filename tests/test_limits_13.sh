#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The DMA alignment of a bound device stays the same, so that a stacked device which has copied it never passes on a buffer that the file does not take"

# dm-crypt cannot take a sector that is not in one piece of memory.
need_module dm_crypt
nullb loopdma size=16
dm loop-crypt "0 32768 crypt aes-xts-plain64 $(printf '%064d' 7) 0 $NULLB 0 1 sector_size:4096"
lower=$(readlink -f /dev/mapper/loop-crypt)
align=$(<"/sys/block/${lower#/dev/}/queue/dma_alignment")
((align > 511)) || skip "dma_alignment of dm-crypt is $align"

# takes DEVICE: the device carries out what it accepts, and refuses the rest at once.
takes()
{
	if (($(<"$(queue_of "$1")/dma_alignment") > 511)); then
		io -d -m 512 "$1" read 0 4096 =EINVAL
		io -d "$1" read 0 64K
	else
		io -d -m 512 "$1" read 0 4096 , read 4096 64K
	fi
}

# holds LIMIT COMMAND...: the device's alignment is that after the command, too; a stacked device of before and one
# of after take what they accept.
holds()
{
	limit dma_alignment "$1"
	stacked loop-before
	"${@:2}"
	limit dma_alignment "$1"
	takes /dev/mapper/loop-before
	dm_gone loop-before
	stacked loop-after
	takes /dev/mapper/loop-after
	dm_gone loop-after
}

# udev would have the stacked devices open.
attach_quietly "$lower" block_size=4096
holds "$align" lo "$DEV" set-dio 1
holds "$align" lo "$DEV" set-dio 0
holds "$align" lo "$DEV" set-status64 offset=4096
holds "$align" lo "$DEV" set-dio 1
# This ends direct I/O.
holds "$align" lo "$DEV" set-status64 offset=512
holds "$align" lo "$DEV" set-status64
# Nobody may change the block size under a stacked device. A smaller one takes buffers of a smaller alignment.
stacked loop-before
lo "$DEV" set-block-size 512 =EBUSY
limit logical_block_size 4096
dm_gone loop-before
lo "$DEV" set-block-size 512
limit dma_alignment 511
holds 511 lo "$DEV" set-dio 1
lo "$DEV" set-block-size 4096
limit dma_alignment "$align"
detach

# Another file does not change what was promised either, and is then used without direct I/O.
img 16M
attach_quietly "r:$IMG" block_size=4096
holds 511 lo "$DEV" change-fd "rd:$lower"
same "dio" "$(sys loop/dio)" 0
lo "$DEV" set-dio 1 =EINVAL
holds 511 lo "$DEV" change-fd "rd:$IMG"
lo "$DEV" set-dio 1
detach
attach_quietly "r:$lower" block_size=4096 flags=$DIRECT_IO
holds "$align" lo "$DEV" change-fd "r:$IMG"
holds "$align" lo "$DEV" change-fd "r:$lower"
same "dio" "$(sys loop/dio)" 1
detach
