#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A read of which the page cache has a part, ending within a sector, is right"

need fio
fs ext4
head -c 4M /dev/urandom >"$FS/img"
sync
attach "$FS/img" offset=100
for cached in 4K 8K 20K; do
	echo 3 >/proc/sys/vm/drop_caches
	# Without readahead, which would fill the cache meanwhile.
	fio --name=cache --filename="$FS/img" --rw=read --bs=4k --size=$cached \
		--fadvise_hint=random --invalidate=0 >/dev/null
	dd if="$DEV" of="$TMP/read" bs=64K count=1 iflag=direct status=none
	cmp -n 65536 -i 0:100 "$TMP/read" "$FS/img"
done
detach
