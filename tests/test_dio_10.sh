#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O that was asked for and is not possible is told of in the kernel log, once"

# told COUNT COMMAND...: so many lines about it come with the command.
told()
{
	local count=$1 before after

	shift
	before=$(dmesg | grep -c "loop$N: .*direct I/O") || true
	"$@"
	after=$(dmesg | grep -c "loop$N: .*direct I/O") || true
	((after - before == count)) ||
		fail "$((after - before)) lines instead of $count: $*"
}

nullb loopdio size=16 blocksize=4096
new_dev
told 0 lo "$DEV" configure "$NULLB" flags=$DIRECT_IO , \
	get-status64 flags=$DIRECT_IO
told 1 lo "$DEV" set-status64 offset=512 , get-status64 flags=0
told 0 lo "$DEV" set-status64 offset=1024 , set-block-size 512
detach
told 1 lo "$DEV" configure "$NULLB" flags=$DIRECT_IO offset=512 , \
	get-status64 flags=0
detach
told 1 lo "$DEV" configure "$NULLB" flags=$DIRECT_IO offset=512 block_size=512 , \
	get-status64 flags=0
detach
# Nobody asked.
told 0 lo "$DEV" configure "$NULLB" offset=512
detach

# A filesystem without direct I/O.
mkdir "$TMP/ramfs"
mounted -t ramfs none "$TMP/ramfs"
img 1M "$TMP/ramfs/img"
told 1 lo "$DEV" configure "$IMG" flags=$DIRECT_IO , get-status64 flags=0
detach
rm "$IMG"
umounted "$TMP/ramfs"

# Nobody can fill the log with it: it tells 10 times in 5 seconds.
before=$(dmesg | grep -c "loop$N: .*direct I/O") || true
SECONDS=0
for ((i = 0; i < 100; i++)); do
	lo "$DEV" configure "$NULLB" flags=$DIRECT_IO offset=512 , clr-fd
	unbound "$DEV"
done
lines=$(($(dmesg | grep -c "loop$N: .*direct I/O") - before))
# A machine that takes a minute to do it is no test of that.
(((lines < 100 || SECONDS >= 45) && lines <= 10 * (SECONDS / 5 + 2))) || fail "$lines lines in $SECONDS s"
