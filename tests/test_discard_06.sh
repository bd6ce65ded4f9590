#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A discard which the backing file does not support does not disturb others"

need fio
need_unload
unload_loop
# With one request at a time there always is somebody who waits for the next.
load_loop hw_queue_depth=1
fuse_img 32M
fuse fail punch EOPNOTSUPP
attach "$IMG"
fio --name="$TID" --filename="$DEV" --rw=randwrite --bs=4k --direct=1 \
	--ioengine=psync --numjobs=4 --thread --size=16M --io_size=1M \
	--clocksource=clock_gettime --allow_mounted_write=1 >"$TMP/fio.log" 2>&1 &
job=$!
JOBS+=("$job")
begun() { (($(sys stat | awk '{ print $5 }') > 20)); }
poll 60 begun || fail "fio does not begin"
io "$DEV" discard 30M 64K , zeroout 31M 64K , fsync , zero 31M 64K
wait $job || fail "fio"
no_discard() { [[ $(sys queue/discard_max_bytes) == 0 ]]; }
poll 10 no_discard || fail "the limit stays"
detach
unload_loop
load_loop "${RELOAD[@]}"
