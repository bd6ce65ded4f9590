#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A claim is for the time of LOOP_CONFIGURE or LOOP_SET_BLOCK_SIZE, whatever comes of it"

img 64K
new_dev
settle
for op in "configure pipe:" "configure $IMG flags=32" "configure $IMG encrypt_type=1" \
	"configure $IMG offset=0x8000000000000000" "set-fd r:$TMP" \
	"set-block-size 512"; do
	# shellcheck disable=SC2086
	lo "$DEV" open rw , $op =ANY , open rx >"$TMP/result"
	grep -q '^E' "$TMP/result" || fail "$op: $(<"$TMP/result")"
done
lo "$DEV" open rw , configure "$IMG" , open rx
for op in "configure $IMG" "set-fd $IMG" "set-block-size 513"; do
	# shellcheck disable=SC2086
	lo "$DEV" open rw , $op =ANY , open rx >"$TMP/result"
	grep -q '^E' "$TMP/result" || fail "$op: $(<"$TMP/result")"
done
lo "$DEV" open rw , set-block-size 1024 , open rx , set-block-size 2048 , \
	use 0 , set-block-size 4096 =EBUSY
limit logical_block_size 2048
# Who holds it may do all; others all but these two.
lo "$DEV" open rx , set-block-size 512 , set-status64 file_name=a , set-dio 1 , \
	clr-fd
unbound "$DEV"
lo "$DEV" open rwx , open rw , use 0 , configure "r:$IMG" , use 1 , \
	set-status64 file_name=b , set-capacity , set-dio 1 , set-dio 0 , \
	change-fd "r:$IMG" , set-block-size 4096 =EBUSY , set-fd "$IMG" =EBUSY
lo "$DEV" open rwx , open rw , clr-fd
unbound "$DEV"
