#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="After the filesystem was shut down a read of what is in the page cache fails, as one of the file does"

for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 1M
	attach "$IMG"
	io -d "$DEV" check 1 0 1M
	sleep 0.1
	io -d "$DEV" check 1 0 64K , check 1 0 1M
	exec 5<"$IMG"
	io "$FS" shutdown
	sleep 0.1
	! head -c 4K <&5 &>/dev/null || fail "the file can be read"
	exec 5<&-
	io -d "$DEV" read 0 4K =EIO
	io -d "$DEV" read 64K 4K =EIO
	detach
	umounted "$FS"
done
