#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Verified I/O, buffered and direct, with flushes, on an image in ext4"

fs ext4
img 32M "$FS/img"
attach "$IMG"
fio_verify "$DEV" --direct=0 --fsync=64 --size=8m
lo "$DEV" set-dio 1
fio_verify "$DEV" --direct=1 --fdatasync=64
fio_verify "$DEV" --direct=0 --end_fsync=1 --size=8m --bs=4k-128k
detach
