#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="What is written to holes while they are filled stays, and what is discarded behind is filled again"

. ./fill_common.sh

has_blocks()
{
	(($(stat -c %b "$IMG") > 4096))
}

# All that fio writes to.
has_filled()
{
	(($(sys loop/pinned_progress) >= 15))
}

for type in "${PINNABLE[@]}"; do
	slow_fs "$type"
	sparse_img 80M
	(
		fio_verify "$DEV" --direct=1 --offset=1m --size=8m --rate=,2m
		: >"$TMP/written"
	) &
	writer=$!
	poll 60 has_blocks || fail "fio writes nothing"
	background loop_io "$SYS/loop/pinned" put fill
	FILLER=${JOBS[-1]}
	poll 30 has_filled || fail "nothing is filled"
	[[ ! -e $TMP/written ]] || fail "fio was done before it was filled"
	wait "$FILLER"
	is_pinned 1
	wait $writer
	rm "$TMP/written"
	io -d -b 1M "$DEV" check 1 0 1M , zero 9M 71M
	unpin

	io -d -b 1M "$DEV" discard 1M 79M , fill 2 1M 10M
	filling OK
	io -d -b 256K "$DEV" discard 2M 1M , discard 5M 2M , fill 3 8M 256K , fill 4 75M 128K
	still_filling
	filled
	io -d -b 1M "$DEV" check 1 0 1M , check 2 1M 1M , zero 2M 1M , check 2 3M 2M , zero 5M 2M , \
		check 2 7M 1M , check 3 8M 256K , zero 11M 64M , check 4 75M 128K
	detach
	io "$IMG" drop , check 1 0 1M , check 2 3M 2M , zero 5M 2M , check 4 75M 128K
	umounted "$FS"
done
