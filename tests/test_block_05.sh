#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Block sizes change under running verified I/O without loss"

need fio
img 16M
attach "$IMG"
fio_verify "$DEV" --direct=1 --bs=4k --size=8m &
pid=$!
changes=0
while kill -0 $pid 2>/dev/null; do
	lo "$DEV" set-block-size 4096 , set-block-size 512 , \
		set-block-size 2048
	changes=$((changes + 3))
done
wait $pid
say "$changes changes"
((changes > 0)) || fail "fio ended before a change"
detach
