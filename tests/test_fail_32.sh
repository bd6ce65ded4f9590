#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="An error of writeback of a file on overlayfs that no flush has reported is logged at detach"

need_module overlay
failing_img 1M
mkdir "$FS/upper" "$FS/work" "$TMP/lower" "$TMP/merged"
mv "$IMG" "$FS/upper/img"
mounted -t overlay overlay -o "lowerdir=$TMP/lower,upperdir=$FS/upper,workdir=$FS/work" "$TMP/merged"
IMG=$TMP/merged/img
attach_quietly "$IMG"
writeback_fails "$DEV"
io "$DEV" fsync =EIO
detach
logged 0
attach_quietly "$IMG"
writeback_fails "$DEV"
detach
logged 1
umounted "$TMP/merged"
