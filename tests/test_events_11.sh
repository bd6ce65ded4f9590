#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A refused LOOP_CONFIGURE announces no new medium"

img 64K
new_dev
settle
before=$(sys diskseq)
lo "$DEV" configure "$IMG" block_size=1 =EINVAL
same "diskseq" "$(sys diskseq)" "$before"
lo "$DEV" set-fd "$IMG"
[[ $(sys diskseq) != "$before" ]] || fail "diskseq stays"
detach
