#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="With direct I/O on a disk that checks protection information, pages that are mapped and modified all the time can be written: nobody modifies them between the checksum and the disk"

need python3 mkfs.ext4
# Most writes wait for one before them, with the checksum made already.
scsi_disk dev_size_mb=64 dif=1 dix=1 guard=0 max_queue=2 ndelay=200000
[[ $(<"/sys/block/${SCSI_DISK#/dev/}/integrity/format") == T10-DIF* ]] || fail "no protection information"

# synced FILE: it is modified by one process, and synced by another.
synced()
{
	python3 - "$1" <<-'PYTHON' || fail "a sync of $1 failed"
		import mmap, os, signal, sys, time
		fd = os.open(sys.argv[1], os.O_RDWR)
		size = 256 << 10
		pages = mmap.mmap(fd, size)
		child = os.fork()
		if not child:
		    n = 0
		    while True:
		        n += 1
		        for at in range(0, size, 4096):
		            pages[at:at + 8] = n.to_bytes(8, "little")
		error = None
		end = time.monotonic() + 5
		while not error and time.monotonic() < end:
		    try:
		        os.fsync(fd)
		    except OSError as e:
		        error = e
		os.kill(child, signal.SIGKILL)
		os.waitpid(child, 0)
		if error:
		    print(error)
		    sys.exit(1)
	PYTHON
}

rc=0
# Each failure is to be told of. Zeroes that the block layer has the disk write would keep the old checksums there,
# so no place is used for another purpose later.
attach_quietly "$SCSI_DISK" offset=61M flags=$DIRECT_IO
(synced "$DEV") || rc=1
detach
LOOP_SCRATCH_DEV=$SCSI_DISK fs ext4 60
img 0 "$FS/img"
io "$IMG" fill 1 0 32M , fsync
attach_quietly "$IMG" flags=$DIRECT_IO
mkfs.ext4 -q -F "$DEV"
mkdir "$TMP/mnt"
mounted "$DEV" "$TMP/mnt"
: >"$TMP/mnt/data"
io "$TMP/mnt/data" fill 1 0 256K , fsync
(synced "$TMP/mnt/data") || rc=1
umounted "$TMP/mnt"
(synced "$DEV") || rc=1
if has_pinned; then
	pin fill
	(synced "$DEV") || rc=1
fi
detach
# Also where the user had the device ask for it before.
fresh_dev
quiet
echo 1 >"$SYS/queue/stable_writes"
lo "$DEV" configure "$IMG" flags=$DIRECT_IO
(synced "$DEV") || rc=1
detach
umounted "$FS"
scsi_disk_gone
((rc == 0)) || fail "pages were modified while they were written"
