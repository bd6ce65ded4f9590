#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="freezes, shutdowns and errors of the file system"
DESCRIPTION="Writes that keep coming fail soon after the filesystem was shut down, too"

need fio
# The device may have been used before.
written() { awk '{ print $5 }' "$SYS/stat"; }
writing() { (($(written) >= before + 1000)); }

for type in "${PINNABLE[@]}"; do
	fs "$type"
	pinned_img 1M
	before=$(written)
	fio --name="$TID" --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --bs=4k --size=1m --time_based --runtime=$((60 * PATIENCE)) \
		>"$TMP/fio.log" 2>&1 &
	writer=$!
	JOBS+=("$writer")
	poll 10 writing || fail "nothing is written"
	io "$FS" shutdown
	poll 5 ended "$writer" || fail "it goes on"
	! wait "$writer" || fail "no write failed"
	grep -q 'error=Input/output error' "$TMP/fio.log" || fail "$(<"$TMP/fio.log")"
	detach
	umounted "$FS"
done
