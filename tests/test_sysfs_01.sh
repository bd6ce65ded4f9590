#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The loop group of sysfs exists while bound, read-only, and tells what was set"

img 1M
new_dev
[[ ! -e $SYS/loop ]] || fail "$SYS/loop is there while unbound"
exec 7<"$DEV"
lo "$DEV" configure "$IMG" offset=4096 sizelimit=8192 \
	flags=$((AUTOCLEAR | PARTSCAN)) file_name=not-this
# dio_reason and those of pinned mode are not the C driver's: see test_rmw_03 and test_pin_01.
same "attributes" "$(cd "$SYS/loop" && GLOBIGNORE="pinned*:dio_reason" && echo *)" \
	"autoclear backing_file dio offset partscan sizelimit"
same "backing_file" "$(sys loop/backing_file)" "$IMG"
same "offset" "$(sys loop/offset)" 4096
same "sizelimit" "$(sys loop/sizelimit)" 8192
same "autoclear" "$(sys loop/autoclear)" 1
same "partscan" "$(sys loop/partscan)" 1
same "dio" "$(sys loop/dio)" 0
for file in "$SYS"/loop/*; do
	[[ $file == */pinned ]] || same "mode of $file" "$(stat -c %a "$file")" 444
done
lo "$DEV" set-status64 offset=512 flags=0 , set-dio 1
same "offset" "$(sys loop/offset)" 512
same "sizelimit" "$(sys loop/sizelimit)" 0
same "autoclear" "$(sys loop/autoclear)" 0
same "dio" "$(sys loop/dio)" 1
mv "$IMG" "$TMP/renamed"
same "backing_file" "$(sys loop/backing_file)" "$TMP/renamed"
exec 7<&-
detach
[[ ! -e $SYS/loop ]] || fail "$SYS/loop is left"
