#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="On btrfs the limits follow the filesystem, before and after each change"

fs btrfs
img 4M "$FS/img"
# Its checksums need them.
# shellcheck disable=SC2034 # for limits_follow
STABLE_WRITES=1
limits_follow "$IMG"
