#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Direct I/O switched on and off under running verified writes loses nothing"

need fio
fs ext4
img 16M "$FS/img"
attach "$IMG"
for direct in 1 0; do
	fio_verify "$DEV" --direct=$direct --size=8m &
	pid=$!
	switches=0
	while kill -0 $pid 2>/dev/null; do
		lo "$DEV" set-dio 1 , get-status64 flags=$DIRECT_IO , \
			set-dio 0 , get-status64 flags=0
		switches=$((switches + 2))
	done
	wait $pid
	say "$switches switches with direct=$direct"
	((switches > 0)) || fail "fio ended before a switch"
done
detach
