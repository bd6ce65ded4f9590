#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Not a test: prints the events that operations on a loop device make, so that
# two drivers can be compared.

# shellcheck source=test_common.sh
. "${0%/*}"/test_common.sh

# step NAME COMMAND...: what it answers, how often the disk got a new sequence
# number, the events.
step()
{
	local name=$1 before event

	shift
	before=$(sys diskseq 2>/dev/null || echo 0)
	events "$@" >/dev/null
	echo "$name: ${*//$TMP/} : $(($(sys diskseq 2>/dev/null || echo "$before") - before)) media"
	while read -r event; do
		[[ -z $event ]] || echo "$name:     $event"
	done <<<"$EVENTS"
}

# The same with loop_ioctl, whatever it answers.
io_step()
{
	local name=$1

	shift
	step "$name" lo "$DEV" "$@" "=ANY"
}

# Somebody else may have it open at the end of these.
autoclear()
{
	lo "$DEV" open rw , configure "$TMP/img" flags=$((PARTSCAN | AUTOCLEAR)) , \
		get-status64 flags=$((PARTSCAN | AUTOCLEAR))
	unbound "$DEV"
}

cleared()
{
	lo "$DEV" open rw , set-fd "$TMP/img" , clr-fd
	unbound "$DEV"
}

monitor
gpt_img 4M other
gpt_img 4M
img 4M plain
img 8M bigger
IMG=$TMP/img
DEV=/dev/loop77
SYS=/sys/block/loop77
N=77

step make lo $CONTROL add 77
quiet
for file in img plain; do
	io_step $file set-fd "$TMP/$file"
	io_step $file get-status64
	io_step $file set-capacity
	io_step $file set-dio 1
	io_step $file set-block-size 4096
	io_step $file set-block-size 513
	io_step $file set-block-size 512
	io_step $file set-status64 sizelimit=1048576
	io_step $file set-status64
	io_step $file set-status64
	io_step $file set-status64 offset=512 encrypt_type=1
	io_step $file set-status64 flags=$PARTSCAN
	io_step $file set-status64 flags=$PARTSCAN sizelimit=2097152
	io_step $file set-capacity
	io_step $file set-fd "$TMP/$file"
	io_step $file configure "$TMP/$file" flags=$PARTSCAN
	io_step $file change-fd "$TMP/$file"
	io_step $file change-fd fd:-1
	io_step $file change-fd "r:$TMP"
	step $file detach
	quiet

	io_step scan configure "r:$TMP/$file" flags=$PARTSCAN
	io_step scan change-fd "r:$TMP/other"
	io_step scan change-fd "r:$TMP/plain"
	io_step scan change-fd "r:$TMP/bigger"
	io_step scan change-fd r:/dev/null
	io_step scan set-status64 flags=$PARTSCAN offset=4096
	truncate -s 3M "$TMP/plain"
	io_step scan set-capacity
	io_step scan set-capacity
	truncate -s 4M "$TMP/plain"
	step scan blockdev --setro "$DEV"
	step scan blockdev --setrw "$DEV"
	io_step scan clr-fd
	step scan loud
	unbound "$DEV"
	quiet
	io_step empty set-fd /dev/null
	io_step empty configure "$TMP/$file" flags=$PARTSCAN offset=0x8000000000000000
	io_step empty configure "$TMP/$file" flags=32
	io_step empty change-fd "$TMP/$file"
	io_step empty set-capacity
	io_step empty clr-fd
	io_step empty set-status64
done
# Partitions by hand.
io_step hand set-fd "$TMP/plain"
io_step hand add-part 3 1M 1M
io_step hand add-part 4 2M 1M
io_step hand del-part 3
step hand detach
quiet
io_step hand configure "$TMP/img" flags=$PARTSCAN
io_step hand add-part 3 3M 64K
step hand detach
quiet
# The last close detaches.
loud
step clear autoclear
step clear cleared
# With what is left of earlier requests that were refused.
quiet
io_step refused configure "$TMP/img" flags=$PARTSCAN block_size=4096
step refused detach
quiet
loud
poll 10 lo $CONTROL remove 77 >/dev/null
step make lo $CONTROL add 77
step remove poll 10 lo $CONTROL remove 77
mknod "$TMP/node" b 7 77
step node lo "$TMP/node" get-status64 =ENXIO
step remove poll 10 lo $CONTROL remove 77
