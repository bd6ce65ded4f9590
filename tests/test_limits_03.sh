#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On btrfs the limits follow the filesystem, before and after each change.

. ./test_common.sh

fs btrfs
img 4M "$FS/img"
limits_follow "$IMG"
