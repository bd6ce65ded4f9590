#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On ext4 the limits follow the filesystem and its disk, before and after each change"

fs ext4
img 4M "$FS/img"
limits_follow "$IMG"
