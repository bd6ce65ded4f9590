#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What a cgroup leaves dirty in the device's page cache is its own when somebody else writes it"

cgroup a b
LOOP_SCRATCH_DEV=''
fs ext4

# Adds a new device. The dirty pages of an old one belong to whoever has had the
# most of them before.
added()
{
	N=$(lo $CONTROL add -1)
	DEV=/dev/loop$N
	poll 5 test -b "$DEV"
	lo "$DEV" configure "$@"
	settle
	# So that the writer is not the last to close it, and writes nothing.
	exec 7<"$DEV"
}

gone()
{
	exec 7<&-
	detach
}

for name in a b; do
	img 8M "$FS/img-$name"
	io "$IMG" fill 2 0 8M , drop
	added "$IMG" flags=$DIRECT_IO
	in_cgroup $name loop_io "$DEV" fill 1 0 8M
	between "cached by $name" "$(cached_bytes $name)" $((7 << 20)) $((9 << 20))
	between "written by $name" "$(io_bytes $name "$NULLB" wbytes)" 0 $((1 << 20))
	io "$DEV" fsync
	between "written by $name" "$(io_bytes $name "$NULLB" wbytes)" \
		$((8 << 20)) $((9 << 20))
	gone

	# Without direct I/O it then is in the page cache of the file.
	io "$IMG" drop
	before=$(cached_bytes $name)
	added "$IMG"
	in_cgroup $name loop_io "$DEV" fill 3 0 8M
	io "$DEV" fsync
	between "cached by $name" $(($(cached_bytes $name) - before)) \
		$((15 << 20)) $((17 << 20))
	gone
	io "$IMG" check 3 0 8M
done
