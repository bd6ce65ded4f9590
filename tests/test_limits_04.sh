#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On tmpfs and overlayfs the limits follow the filesystem, before and after each change"

need_module overlay
img 4M
limits_follow "$IMG"
mkdir "$TMP"/{lower,upper,work,merged}
mounted -t overlay overlay -o \
	"lowerdir=$TMP/lower,upperdir=$TMP/upper,workdir=$TMP/work" "$TMP/merged"
img 4M "$TMP/merged/img"
limits_follow "$IMG"
umounted "$TMP/merged"
