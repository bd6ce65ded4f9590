#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Files opened write-only, memfds and deleted files serve as backing"

img 1M
io "$IMG" fill 1 0 1M
attach "w:$IMG"
lo "$DEV" get-status64 flags=0
io "$DEV" check 1 0 1M
detach

lo "$DEV" set-fd memfd:256K
lo "$DEV" size 256K
io "$DEV" zero 0 256K , fill 3 0 256K , fsync , flush , check 3 0 256K
detach

lo "$DEV" set-fd "$IMG"
rm "$IMG"
same "backing_file" "$(sys loop/backing_file)" "$IMG (deleted)"
io "$DEV" check 1 0 1M
detach
