#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A backing device that is removed during I/O: what is under way and what comes fails, detaching works"

need fio
img 1M
attach "$IMG"
other=$DEV
for flags in 0 $DIRECT_IO; do
	# Requests take 10 ms.
	nullb "loopfail$flags" size=16 irqmode=2 completion_nsec=10000000
	attach_quietly "$NULLB" flags="$flags"
	io -d "$DEV" fill 1 0 1M , fsync
	io "$NULLB" drop
	fio --name=fail --filename="$DEV" --thread --rw=randrw --bs=4k --size=8m \
		--ioengine=libaio --iodepth=16 --direct=1 --time_based --runtime=60 \
		>"$TMP/fio.log" 2>&1 &
	fio=$!
	JOBS+=("$fio")
	poll 20 eval '! inflight 0 0' || fail "no I/O is under way"
	echo 0 >"${NULLBS[-1]}/power"
	fails wait $fio
	io -d "$DEV" read 0 4096 =EIO
	io "$DEV" write 0 4096 , fsync =EIO
	lo "$DEV" get-status64 offset=0
	io -d "$other" fill 1 0 64K , fsync , check 1 0 64K
	detach
done
detach_dev "$other"
