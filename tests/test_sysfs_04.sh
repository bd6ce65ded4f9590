#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="backing_file tells any name as it is, up to what a page holds"

new_dev
for name in "a b" $'tab\there' 'back\slash' '"quotes"' $'\xc3\xa4' '%s%n' "-x" "(deleted)"; do
	img 64K "$name"
	lo "$DEV" set-fd "$TMP/$name"
	same "backing_file" "$(sys loop/backing_file)" "$TMP/$name"
	detach
done
# A line's end in it comes out as one.
img 64K $'two\nlines'
lo "$DEV" set-fd "$IMG"
same "backing_file" "$(sys loop/backing_file)" "$IMG"
detach
lo "$DEV" set-fd memfd:64K
same "backing_file" "$(sys loop/backing_file)" "/memfd:loop (deleted)"
detach

# 15 directories of 250 bytes: below 4096, with what is before them.
deep=$TMP
for ((i = 0; i < 15; i++)); do
	deep=$deep/$(printf '%0250d' $i)
done
mkdir -p "$deep"
img 64K "$deep/img"
lo "$DEV" set-fd "$IMG"
same "backing_file" "$(sys loop/backing_file)" "$IMG"
detach
# Longer ones can be reached in two steps, and cannot be told.
(cd "$deep" && mkdir -p "$(printf '%0200d' 1)/$(printf '%0200d' 2)")
(
	cd "$deep"
	cd "$(printf '%0200d' 1)/$(printf '%0200d' 2)"
	: >img
	truncate -s 64K img
	loop_ioctl "$DEV" set-fd img
)
fails cat "$SYS/loop/backing_file"
lo "$DEV" size 64K , get-status64 flags=0
detach
