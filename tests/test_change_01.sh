#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD under running verified reads: no error, no wrong data"

need fio
img 8M
io "$IMG" fill 1 0 8M
cp "$IMG" "$TMP/other"
attach "r:$IMG"
new_file="$TMP/other"
for direct in 0 1; do
	fio --name=write --filename="$IMG" --rw=write --bs=64k --size=8m \
		--verify=crc32c --do_verify=0 --verify_state_save=0 \
		--clocksource=clock_gettime >"$TMP/fio.log" 2>&1
	cp "$IMG" "$new_file"
	lo "$DEV" change-fd "r:$IMG"
	fio --name=read --filename="$DEV" --readonly --rw=read --bs=64k \
		--size=8m --loops=3 --direct=$direct --ioengine=libaio \
		--iodepth=8 --thread --verify=crc32c --verify_only=0 \
		--verify_fatal=1 --clocksource=clock_gettime \
		>"$TMP/fio.log" 2>&1 &
	pid=$!
	changes=0
	while kill -0 $pid 2>/dev/null; do
		lo "$DEV" change-fd "r:$new_file" , change-fd "rd:$IMG" , \
			change-fd "r:$new_file"
		changes=$((changes + 3))
	done
	wait $pid || {
		cat "$TMP/fio.log"
		fail "fio with direct=$direct after $changes changes"
	}
	say "$changes changes with direct=$direct"
	((changes > 0)) || fail "fio ended before a change"
done
lo "$DEV" change-fd "r:$new_file"
same "backing_file" "$(sys loop/backing_file)" "$new_file"
detach
