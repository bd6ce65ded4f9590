#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A write of a part of a block and one of all of it, at the same time: neither is undone by the other, whichever was first"

# overlap DISK: its sectors are those of $DEV.
overlap()
{
	attach "$1" block_size=512 flags=$DIRECT_IO
	in_blocks
	loop_rmw -o -p 4 -n 150 -f "$1:0" "$DEV" 0 128K
	detach
}

# Reads as it was when the read began, and ends a while later.
nullb looprmw size=16 blocksize=4096 irqmode=2 completion_nsec=1000000
overlap "$NULLB"
# Writes begin a while after they were submitted, reads at once.
need_module dm_delay
nullb looprmw2 size=16 blocksize=4096
dm loop-selftest "0 32768 delay $NULLB 0 0 $NULLB 0 3"
overlap "$(readlink -f /dev/mapper/loop-selftest)"
