#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Writes move the times of the node by which the backing block device was opened, reads do not"

nullb loopio size=16 cache_size=1
# Of this one udev knows nothing.
mknod "$TMP/node" b $((0x$(stat -c %t "$NULLB"))) $((0x$(stat -c %T "$NULLB")))
IMG=$TMP/node

for flags in 0 $DIRECT_IO; do
	for i in 1 2; do
		old
		attach "$IMG" flags="$flags"
		same "dio" "$(sys loop/dio)" $((flags ? 1 : 0))
		io -d "$DEV" read 0 64K
		io "$DEV" read 0 64K
		io -d "$DEV" fsync
		sleep 1.5
		same "times of the node" "$(times)" "$before"
		for op in write zeroout; do
			old
			io -d "$DEV" $op 64K 64K
			poll 10 moved || fail "a $op with flags $flags does not move the times"
			old
			io -d "$DEV" $op 64K 64K , fsync
			moved || fail "a $op and flush with flags $flags does not move the times"
		done
		old
		io -d "$DEV" write 0 4K
		detach
		moved || fail "a write before a detach with flags $flags does not move the times"
	done
done
