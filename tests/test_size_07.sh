#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Holes of a sparse file read as zeroes, and writing fills only what is written"

img 64M
attach "$IMG"
lo "$DEV" size 64M
io -d "$DEV" zero 0 1M , zero 63M 1M , fill 1 32M 64K , check 1 32M 64K , \
	zero 31M 1M , zero 33619968 1M
used=$(($(stat -c %b "$IMG") * 512))
((used >= 65536 && used <= 1048576)) || fail "$used bytes are allocated"
detach
