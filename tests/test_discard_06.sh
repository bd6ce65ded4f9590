#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A discard which the backing file does not support does not disturb others.

. ./test_common.sh

need mkfs.vfat fio
need_module vfat
need_unload
unload_loop
# With one request at a time there always is somebody who waits for the next.
load_loop hw_queue_depth=1
nullb loopvfat size=96
mkfs.vfat "$NULLB" >/dev/null
mkdir "$TMP/fat"
mounted -t vfat "$NULLB" "$TMP/fat"
head -c 32M /dev/zero >"$TMP/fat/img"
attach "$TMP/fat/img"
fio --name="$TID" --filename="$DEV" --rw=randwrite --bs=4k --direct=1 \
	--ioengine=psync --numjobs=4 --thread --size=16M --io_size=8M \
	--allow_mounted_write=1 >"$TMP/fio.log" 2>&1 &
job=$!
JOBS+=("$job")
begun() { (($(sys stat | awk '{ print $5 }') > 200)); }
poll 20 begun || fail "fio does not begin"
io "$DEV" discard 30M 64K , zeroout 31M 64K , fsync , zero 31M 64K
wait $job || fail "fio"
no_discard() { [[ $(sys queue/discard_max_bytes) == 0 ]]; }
poll 10 no_discard || fail "the limit stays"
detach
umounted "$TMP/fat"
unload_loop
load_loop "${RELOAD[@]}"
