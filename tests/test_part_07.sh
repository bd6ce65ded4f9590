#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions added by hand are gone after any detach, with and without partscan"

gpt_img 4M
for flags in 0 $PARTSCAN; do
	# Detached at once, ...
	attach_quietly "$IMG" flags="$flags"
	lo "$DEV" add-part 5 3M 64K
	partition 5
	detach
	no_partitions
	[[ ! -e ${DEV}p5 ]] || poll 10 test ! -e "${DEV}p5" || fail "${DEV}p5 is left"
	# ... by the last of several openers, ...
	attach_quietly "$IMG" flags="$flags"
	lo "$DEV" add-part 5 3M 64K
	lo "$DEV" clr-fd
	partition 5
	io "${DEV}p5" read 0 64K
	loud
	unbound "$DEV"
	no_partitions
	# ... or with autoclear.
	lo "$DEV" open rw , configure "$IMG" flags=$((flags | AUTOCLEAR)) , \
		add-part 6 3M 64K , get-status64 flags=$((flags | AUTOCLEAR))
	unbound "$DEV"
	no_partitions
done
# Nothing of them shows up with the next file.
img 4M empty
attach_quietly "$IMG" flags=$PARTSCAN
no_partitions
detach
