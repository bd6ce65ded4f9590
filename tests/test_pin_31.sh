#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="data"
DESCRIPTION="A file of more than 100,000 extents"
# To have it without writing that much every other block of the disk is said to be bad, debugfs
# gives the file its blocks, and they are then said to be written.

need mkfs.ext4 debugfs python3 e2fsck
# In front of the many pieces is place for what ext4 itself needs.
front=8192
pieces=104000
bytes=$(((front - 2048 + pieces) * 4096))
size=$(((front + pieces * 2) / 256 + 1))
nullb looppin size=$size
# mkfs.ext4 counts those wrong where copies of the superblock could be.
seq $front 2 $((front + pieces * 2 - 2)) | awk '$1 % 32768 > 1' >"$TMP/bad"
mkfs.ext4 -q -F -b 4096 -N 64 -m 0 -J size=4 -O ^resize_inode,^metadata_csum,sparse_super2 \
	-E num_backup_sb=0 -l "$TMP/bad" "$NULLB" ${size}M
debugfs -w "$NULLB" >"$TMP/log" 2>&1 <<-COMMANDS
	write /dev/null img
	fallocate img 0 $((bytes / 4096 - 1))
	set_inode_field img size $bytes
COMMANDS
# Blocks of the tree of extents, which say so by a bit of each length.
debugfs -R "ex -n img" "$NULLB" 2>"$TMP/log" | awk '$1 == "1/" { print $(NF - 1) }' >"$TMP/leaves"
python3 - "$NULLB" "$TMP/leaves" <<-'PYTHON'
	import struct, sys
	disk = open(sys.argv[1], "r+b")
	for leaf in map(int, open(sys.argv[2])):
	    disk.seek(leaf * 4096)
	    block = bytearray(disk.read(4096))
	    magic, count, _, depth = struct.unpack_from("<4H", block)
	    assert (magic, depth) == (0xF30A, 0)
	    for at in range(12, 12 + count * 12, 12):
	        block[at + 5] &= 0x7F
	    disk.seek(leaf * 4096)
	    disk.write(block)
PYTHON
e2fsck -f -n "$NULLB" >"$TMP/log" 2>&1 || fail "$(<"$TMP/log")"
FS=$TMP/fs
mkdir "$FS"
mounted -t ext4 "$NULLB" "$FS"
attach "$FS/img" flags=$DIRECT_IO
lo "$DEV" size $bytes
pin 1
unpin
pin 1
extents=$(dmesg | sed -n "s/.*loop$N: pinned, \([0-9]*\) extents/\1/p" | tail -n 1)
((extents > 100000)) || fail "only $extents extents"
fio_verify "$DEV" --direct=1 --size=$bytes --io_size=8m --bsrange=512-64k --blockalign=512
last=$((bytes - 65536))
io -d -b 1M "$DEV" fill 1 200M 4M , fill 2 $last 64K , fill 3 300000256 512 , check 1 200M 4M
unpin
io -d -b 512 "$DEV" check 1 200M 64K , check 2 $last 64K , check 3 300000256 512
io "$FS/img" check 1 200M 4M , check 2 $last 64K , write 0 4K
detach
umounted "$FS"
e2fsck -f -n "$NULLB" >"$TMP/log" 2>&1 || fail "$(<"$TMP/log")"
