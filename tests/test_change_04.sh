#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD from one block device to another while many direct reads are under way: what is read afterwards is of the second one, and nothing keeps the first"

need fio
bytes=$((16 << 20))

# disk NAME SEED: NULLB is a slow disk with that pattern.
disk()
{
	nullb "$1" size=16 submit_queues=2 irqmode=2 completion_nsec=50000000
	io "$NULLB" fill "$2" 0 $bytes , fsync , drop
}

disk loopfirst 1
dm loop-first "0 32768 linear $NULLB 0"
disk loopsecond 2
second=$NULLB
disk loopthird 3
dm loop-third "0 32768 linear $NULLB 0"
disk loopfourth 4
attach "$NULLB" flags=$DIRECT_IO
below=$DEV
img 16M
io "$IMG" fill 5 0 $bytes

attach_quietly r:/dev/mapper/loop-first flags=$DIRECT_IO
fio --name="$TID" --filename="$DEV" --readonly --direct=1 --ioengine=libaio --iodepth=64 --rw=randread \
	--bsrange=4k-64k --size=16m --thread --numjobs=2 --time_based --runtime=$((120 * PATIENCE)) \
	>"$TMP/fio.log" 2>&1 &
reader=$!
JOBS+=("$reader")

many()
{
	(($(awk '{ print $1 }' "$SYS/inflight") >= (PATIENCE > 1 ? 1 : 4)))
}

# reads DEVICE: how many that has done.
reads()
{
	awk '{ print $1 }' "/sys/class/block/$(basename "$(readlink -f "$1")")/stat"
}

file=/dev/mapper/loop-first
# changed FILE SEED: to that, which has the pattern.
changed()
{
	local before

	poll 20 many || fail "only $(<"$SYS/inflight") requests are under way"
	lo "$DEV" change-fd "r:$1"
	[[ ! -b $file ]] || before=$(reads "$file")
	io -d "$DEV" check "$2" 0 2M
	[[ ! -b $file ]] || same "reads of $file since" "$(reads "$file")" "$before"
	lo "$DEV" get-status64 flags=$((READ_ONLY | DIRECT_IO))
	file=$1
}

changed "$second" 2
# It was the only one that had this open.
dmsetup remove loop-first
DMS=(loop-third)
changed /dev/mapper/loop-third 3
changed "$below" 4
changed "$IMG" 5
changed /dev/mapper/loop-third 3
changed "$second" 2
detach_dev "$below"
dmsetup remove loop-third
DMS=()
[[ -d /proc/$reader ]] || fail "$(<"$TMP/fio.log")"
kill -INT "$reader"
wait "$reader" || true
! grep 'err=.*error' "$TMP/fio.log" || fail "$(<"$TMP/fio.log")"
detach
io "$NULLB" check 4 0 $bytes
io "$second" check 2 0 $bytes
