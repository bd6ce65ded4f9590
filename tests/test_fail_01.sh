#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing device that fails fails what is asked of it meanwhile"
# When it is mended all goes on.

nullb loopfail size=16
good="0 32768 linear $NULLB 0"
dm loop-selftest "$good"
lower=/dev/mapper/loop-selftest
img 1M
attach "$IMG"
other=$DEV
attach_quietly $lower
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	# Where udev does not look, so that nothing is cached but by us.
	io -d "$DEV" fill 1 9M 1M , fsync
	blockdev --flushbufs $lower
	dm_table loop-selftest "0 32768 error"
	io -d "$DEV" read 9M 4096 =EIO , read 9502720 64K =EIO
	if ((dio)); then
		io -d "$DEV" write 9M 4096 =EIO
	else
		# The page cache of the lower device takes it.
		io -d "$DEV" write 9961472 4096 , fsync =EIO
	fi
	io "$DEV" write 10223616 4096 , fsync =EIO
	io -d "$other" fill 1 0 64K , fsync , check 1 0 64K
	dm_table loop-selftest "$good"
	io -d "$DEV" check 1 9M 512K
	io "$DEV" fill 1 9961472 512K , fsync , flush , check 1 9M 1M
	io $lower flush , check 1 9M 1M
done
detach
detach_dev "$other"
