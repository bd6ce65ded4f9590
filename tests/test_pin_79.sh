#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="times of the file"
DESCRIPTION="A flush makes the times durable also while a freeze of the filesystem waits for somebody else's write"

need python3 fsfreeze
fuse_img 1M
held=$IMG
nullb loopcopy size=64
copy=$NULLB
nullb looppin size=64
disk=$NULLB
LOOP_SCRATCH_DEV=$disk fs ext4 64
# The journal is written when it is asked for only.
mount -o remount,commit=600 "$FS"
pinned_img 1M
touch -m -d 2001-01-01 "$IMG"
sync -f "$FS"
before=$(stat -c %.9Y "$IMG")

# Its data is in a page that does not come. So its write does not end, and neither does a freeze.
fuse hold read
: >"$TMP/fuse.log"
background python3 -c '
import mmap, os, sys
pages = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4096, prot=mmap.PROT_READ)
os.write(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT), memoryview(pages))' "$held" "$FS/other"
writer=${JOBS[-1]}
fuse_saw "held read"
io -d "$DEV" fill 2 0 8K
background fsfreeze -f "$FS"
freezer=${JOBS[-1]}
# The times are not marked any more.
sleep 1.5
! ended "$freezer" || fail "the freeze does not wait"
[[ $(stat -c %.9Y "$IMG") != "$before" ]] || fail "the times did not move"
io -d "$DEV" fsync
# What is there if the power goes now.
dd if="$disk" of="$copy" bs=1M iflag=direct oflag=direct status=none
! ended "$freezer" || fail "the freeze did not wait"

fuse release
wait "$writer" || fail "the write failed"
wait "$freezer" || fail "the freeze failed"
fsfreeze -u "$FS"
detach
umounted "$FS"
mounted -t ext4 "$copy" "$FS"
[[ $(stat -c %.9Y "$FS/img") != "$before" ]] || fail "the file is still of $before"
io "$FS/img" check 2 0 8K
umounted "$FS"
