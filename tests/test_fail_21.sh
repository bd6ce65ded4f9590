#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Bios that fail while they are being submitted: the error arrives, and nothing else is wrong afterwards"

FAIL=/sys/kernel/debug/fail_make_request
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
[[ -d $FAIL ]] || skip "no fail_make_request"

# failing PROBABILITY: of bios to the disk, in percent.
failing()
{
	echo "$1" >$FAIL/probability
}

# all_fail: I/O on the device fails, and works again.
all_fail()
{
	failing 100
	io -d "$DEV" read 0 4K =EIO , write 0 4K =EIO , read 0 64K =EIO
	failing 0
	io -d "$DEV" check 1 0 1M , fill 2 0 64K , check 2 0 64K , fill 1 0 64K
	# Some of them fail, which of them is not known.
	failing 20
	fio --name="$TID" --filename="$DEV" --direct=1 --rw=randrw --bs=4k --size=1m --io_size=2m \
		--ioengine=libaio --iodepth=16 --continue_on_error=io >"$TMP/fio.log" 2>&1 || true
	failing 0
	io -d "$DEV" fill 1 0 1M , check 1 0 1M , fsync
	detach
}

need fio
nullb loopfail size=64
failing 0
echo -1 >$FAIL/times
echo 0 >$FAIL/verbose
echo 1 >"/sys/block/${NULLB#/dev/}/make-it-fail"
io "$NULLB" fill 1 0 1M , fsync , drop
attach "$NULLB" flags=$DIRECT_IO
all_fail
LOOP_SCRATCH_DEV=$NULLB fs ext4 64
# Its journal is not to be written meanwhile.
mount -o remount,commit=600 "$FS"
written_img 1M
sync -f "$FS"
attach "$IMG" flags=$DIRECT_IO
all_fail
if has_pinned; then
	attach "$IMG" flags=$DIRECT_IO
	pin 1
	all_fail
fi
umounted "$FS"
