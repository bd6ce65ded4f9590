#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A file that cannot punch holes, but zero ranges, is asked to do that"

# Modes of fallocate.
KEEP=1
ZERO=16

no_discard() { [[ $(sys queue/discard_max_bytes) == 0 ]]; }

fuse_img 1M
attach "$IMG"
io "$DEV" fill 1 0 1M , fsync
fuse fail punch EOPNOTSUPP
io "$DEV" discard 0 64K
fuse_saw "punch 0 65536"
poll 20 no_discard || fail "the limit for discard stays"
[[ $(sys queue/write_zeroes_max_bytes) != 0 ]] ||
	fail "write-zeroes went with discard"
# Holes not being possible, this is what is left of giving space back.
io "$DEV" discard 0 64K =EOPNOTSUPP
io "$DEV" fallocate $((ZERO | KEEP)) 64K 64K , flush , zero 64K 64K
detach
grep -q '^zero 65536 65536' "$TMP/fuse.log" || fail "zeroes were written"
io "$IMG" check 1 0 64K , zero 64K 64K , check 1 128K 896K
