#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="A flush in pinned mode reports what writeback of the file failed with before"

need python3
failing_img 1M
exec 7<"$IMG"
attach_quietly "$IMG" flags=$DIRECT_IO
# fsync7 ERROR: what another open file is told.
fsync7()
{
	same "fsync of another open file" "$(python3 -c '
import errno, os
try:
	os.fsync(7)
	print("OK")
except OSError as e:
	print(errno.errorcode[e.errno])')" "$1"
}

# Somebody else was told of it.
writeback_fails "$IMG"
fsync7 EIO
pin 1
io "$DEV" fsync =EIO , fsync
unpin
io "$DEV" fsync
fsync7 OK

# Nobody was: the one who pins the file is, once. The others still are.
writeback_fails "$IMG"
pin_error=$(loop_io "$SYS/loop/pinned" put 1 =ANY)
same "pinning" "$pin_error" EIO
is_pinned 0
pin 1
io "$DEV" fsync =EIO , fsync
fsync7 EIO

# Both at once.
unpin
writeback_fails "$IMG"
fsync7 EIO
pin 1
unpin
io "$DEV" fsync =EIO , fsync

# It fails while it is pinned.
io "$IMG" fill 3 0 64K
data_fails
loop_io "$SYS/loop/pinned" put 1 =EIO
data_works
is_pinned 0
io "$DEV" fsync =EIO , fsync
pin 1
io -d "$DEV" fill 4 0 1M
io "$DEV" fsync
exec 7<&-
detach
io "$IMG" check 4 0 1M
