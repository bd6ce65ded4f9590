#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A discard does not change a file whose filesystem is being frozen, but waits for the thaw"

need fsfreeze python3

# The freeze waits for writers by now, and lets no new one in: that is where it waits
# in freeze_super() itself. (Functions that only wait are not shown.)
frozen() { head -n 1 "/proc/$freezer/stack" | grep -q freeze_super; }

# The discard is over, or its worker has come to wait.
decided()
{
	[[ ! -d /proc/$discard ]] || grep -qs vfs_fallocate /proc/[0-9]*/stack
}

fs ext4
img 1M "$FS/img"
file=$IMG
io "$file" fill 1 0 1M , fsync
img 4K "$FS/other"
other=$IMG
attach_quietly "$file"

# A write that takes long, because its data has to be read from elsewhere first,
# keeps the freeze half-way: new writes wait already. (When it is complete ext4
# warns of who does not, and there the C driver's discard gets caught.)
fuse_img 1M
fuse hold read
python3 -c '
import mmap, os, sys
data = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4096, prot=mmap.PROT_READ)
os.write(os.open(sys.argv[2], os.O_WRONLY), data)' "$IMG" "$other" &
writer=$!
JOBS+=("$writer")
fuse_saw "held read"
fsfreeze -f "$FS" &
freezer=$!
JOBS+=("$freezer")
# From here on whatever happens has to come to the thaw.
wrong=
poll 20 frozen || wrong="the freeze does not wait"

loop_io "$DEV" discard 0 64K &
discard=$!
JOBS+=("$discard")
poll 5 decided || true
[[ -d /proc/$discard ]] || wrong="it was discarded during the freeze"
fuse release
wait "$writer" || wrong="the write failed"
wait "$freezer" || wrong="the freeze failed"
[[ -d /proc/$discard ]] || wrong=${wrong:-it was discarded while frozen}
fsfreeze -u "$FS"
wait "$discard" || wrong="the discard failed"
[[ -z $wrong ]] || fail "$wrong"
io "$DEV" flush , zero 0 64K
detach
