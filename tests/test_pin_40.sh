#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="on and off"
DESCRIPTION="The file becomes longer, and shorter where it may, while pinned mode is switched, the device told of the size, and written to: what is written is there, and nothing beyond the end of the file"

switch()
{
	while [[ ! -e $TMP/enough ]]; do
		if echo fill >"$SYS/loop/pinned"; then
			echo . >>"$TMP/pinned"
		fi
		echo 0 >"$SYS/loop/pinned"
	done
} 2>/dev/null

resize()
{
	local i=0

	while [[ ! -e $TMP/enough ]]; do
		i=$((i + 1))
		if truncate -s $((1048576 + i * 7 % 16 * 65536 + i % 3 * 512)) "$IMG"; then
			echo . >>"$TMP/resized"
		fi
		loop_ioctl "$DEV" set-capacity
	done
} >/dev/null 2>&1

# Whether the file was pinned, and got another size, twice.
happened()
{
	(($(wc -l <"$TMP/pinned") >= 2 && $(wc -l <"$TMP/resized") >= 2))
}

for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 1M
	# It would be changed by what goes beyond the end.
	written_img 4M neighbour
	IMG=$FS/img
	attach "$IMG" flags=$DIRECT_IO
	rm -f "$TMP/enough"
	: >"$TMP/pinned"
	: >"$TMP/resized"
	switch &
	switcher=$!
	resize &
	resizer=$!
	SECONDS=0
	i=1
	# A change that has to wait for another is tried again only after a pause.
	while ((i < 9)) || ! happened; do
		((SECONDS < 60)) || fail "nothing happened"
		i=$((i + 1))
		io -d -b 128K "$DEV" fill $i 0 512K , check $i 0 512K , fill $i 512K 512K , check $i 0 1M
		# Where there is no such place this may fail.
		loop_io -d "$DEV" fill $i 1M 1M >/dev/null || true
	done
	: >"$TMP/enough"
	wait $switcher
	wait $resizer
	echo 0 >"$SYS/loop/pinned"
	# Where the file became longer beside a direct write to its last page, the file system says that pages could
	# not be dropped, to each open file once: to whoever writes to it by itself, too.
	loop_io "$IMG" fsync >/dev/null || true
	loop_io "$DEV" flush >/dev/null || true
	io "$IMG" drop , check $i 0 1M
	io "$FS/neighbour" drop , check 1 0 4M
	truncate -s 2M "$IMG"
	lo "$DEV" set-capacity , size 2M
	pin fill
	io -d "$DEV" check $i 0 1M , fill 1 1M 1M
	truncate -s 3M "$IMG"
	lo "$DEV" size 2M
	is_pinned 1
	io -d "$DEV" write 2M 4K =ENOSPC , check 1 1M 1M
	unpinned lo "$DEV" set-capacity
	lo "$DEV" size 3M
	io -d "$DEV" check $i 0 1M , check 1 1M 1M , zero 2M 1M
	detach
	umounted "$FS"
done
