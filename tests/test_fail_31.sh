#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A read that hangs in the backing file does not stop other reads, nor writes"

fuse_img 8M
attach_quietly "$IMG"
read_hangs
io -d "$DEV" fill 1 4M 64K , check 1 4M 64K , zero 6M 64K , \
	hold "touch $TMP/done" &
other=$!
JOBS+=("$other")
poll 20 test -e "$TMP/done" || fail "the others wait for the read"
wait $other
read_goes_on
detach
