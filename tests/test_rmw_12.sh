#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where a cgroup that is throttled writes parts of blocks, whoever writes parts of other blocks does not wait"

cgroup slow
nullb looprmw size=64 blocksize=4096
attach "$NULLB" block_size=512 flags=$DIRECT_IO
in_blocks
has_rmw || skip "there is nothing to share"
io_limit slow "$NULLB" wbps=512

# throttled: most of the writes wait.
throttled()
{
	local writes

	read -r _ writes <"$SYS/inflight"
	((writes >= 18))
}

for i in {0..23}; do
	in_cgroup slow loop_io -d -b 512 "$DEV" fill 2 $((i * 65536 + 512)) 512 &
	JOBS+=($!)
done
writers=("${JOBS[@]}")
poll 60 throttled || fail "they are not throttled"
# Beside all of theirs, of a block of theirs another sector, and a read of one.
soon loop_io -d -b 512 "$DEV" fill 3 32M 512
soon loop_io -d -b 512 "$DEV" read 512 512
io_limit slow "$NULLB" wbps=max
for pid in "${writers[@]}"; do
	wait "$pid"
done
io -d -b 512 "$DEV" check 2 512 512 , check 2 $((23 * 65536 + 512)) 512 , check 3 32M 512
detach
