#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="I/O of a cgroup that io.cost holds back holds nobody else's up: direct, and reads that miss the cache"

# io_cost IOPS SETTING...: of the disk, whose cost is that of one which does so many I/Os a second.
io_cost()
{
	local model="rseqiops=$1 rrandiops=$1 wseqiops=$1 wrandiops=$1"

	echo "$DISK ctrl=user model=linear rbps=1000000000 wbps=1000000000 $model" >"$CGROUP_ROOT/io.cost.model"
	echo "$DISK ${*:2}" >"$CGROUP_ROOT/io.cost.qos"
}

# held_up FLAGS RW: of a device with these flags, while the cgroup is at this work.
held_up()
{
	local rw=$2 key=${2/rand/} fio

	attach_quietly "$IMG" flags="$1"
	io "$IMG" drop
	io_cost 4 enable=1 ctrl=user min=100 max=100
	in_cgroup a taskset -c 0 fio --name=a --filename="$DEV" --size=8M --rw="$rw" --bs=4k --direct=1 \
		--ioengine=libaio --iodepth=64 --thread --time_based --runtime=600 >"$TMP/fio" &
	fio=$!
	JOBS+=("$fio")
	poll 20 eval "((\$(io_bytes a $NULLB ${key:0:1}bytes) > 16384))" || fail "it does not arrive at the disk"
	sleep 1
	# On the same CPU, so on the same hardware queue.
	soon taskset -c 0 loop_io -d "$DEV" check 1 8M 64K , fill 2 9M 64K , check 2 9M 64K || fail "I/O failed"
	io "$DEV" fill 1 9M 64K , fsync
	echo 1 >"$CGROUP_ROOT/loop-selftest-a/cgroup.kill"
	io_cost 100000 enable=1
	wait "$fio" || :
	io_cost 100000 enable=0
	detach
}

need fio taskset
cgroup a
[[ -e $CGROUP_ROOT/io.cost.qos ]] || skip "no io.cost"
fs_without_flushes
DISK=$(($(stat -L -c %Hr "$NULLB"))):$(($(stat -L -c %Lr "$NULLB")))
img 16M "$FS/img"
io "$IMG" fill 1 0 16M , fsync
held_up "$DIRECT_IO" randread
held_up "$DIRECT_IO" randwrite
held_up 0 randread
umounted "$FS"
