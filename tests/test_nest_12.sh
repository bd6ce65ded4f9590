#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Writeback for want of memory gets through XFS on loop on XFS on dm-crypt on loop on a disk, on the stack that there is"

need mkfs.xfs
cgroup small
# Not memory.max: the worker of the C driver, which has to charge its pages there, too, would meet the OOM killer.
echo 24M >"$CGROUP_ROOT/loop-selftest-small/memory.high"
mkdir "$TMP/inner"
nullb loopstack size=640

# stack_on DEVICE: /dev/mapper/loop-stack passes bios on in the task that submits them, with dm-crypt's part, if there is
# a cipher that costs nothing, on the stack, too.
stack_on()
{
	local crypt="crypt cipher_null-ecb - 0 $1 0 2 no_read_workqueue no_write_workqueue"

	modprobe -q -a dm_crypt crypto_null || crypt="linear $1 0"
	say "on ${crypt%% *}"
	dm loop-stack "0 $((640 << 11)) $crypt"
}

for flags in 0 $DIRECT_IO; do
	attach_quietly "$NULLB" flags="$flags"
	loud
	lower=$DEV
	stack_on "$lower"
	LOOP_SCRATCH_DEV=/dev/mapper/loop-stack fs xfs 640
	img 320M "$FS/img"
	attach "$IMG" flags="$flags"
	mkfs.xfs -q -f -K "$DEV"
	mounted -t xfs "$DEV" "$TMP/inner"
	: >"$TMP/inner/file"
	# More than the cgroup may keep in memory, so that its pages have to be written meanwhile.
	background in_cgroup small loop_io "$TMP/inner/file" fill 1 0 64M
	fio_verify "$TMP/inner/other" --direct=0 --bs=4k-64k --size=24m --fsync=256
	wait "${JOBS[-1]}" || fail "loop_io"
	io "$TMP/inner/file" fsync , drop , check 1 0 64M
	umounted "$TMP/inner"
	detach
	umounted "$FS"
	dm_gone loop-stack
	detach_dev "$lower"
done
# With CONFIG_DEBUG_STACK_USAGE the kernel logs each task that ends and has used more than any before.
dmesg | sed -n 's/^.*\] \(.* used greatest stack depth: .*\)/# \1/p' | tail -n 1
