#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Verified I/O, buffered and direct, with flushes, on an image in tmpfs"

img 32M
attach "$IMG"
fio_verify "$DEV" --direct=0 --fsync=64 --size=8m
fio_verify "$DEV" --direct=1 --fdatasync=64
lo "$DEV" set-dio 1
fio_verify "$DEV" --direct=1 --bs=4k-128k --size=8m
detach
