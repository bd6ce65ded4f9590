#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where a file cannot have holes there is no discard, after any change"

mkdir "$TMP/ramfs"
mounted -t ramfs none "$TMP/ramfs"
img 4M "$TMP/ramfs/img"
file=$IMG
NO_HOLES=1
attach "$file"
follows "$file" 0
lo "$DEV" set-dio 1 =EINVAL , set-block-size 4096
follows "$file" 0 4096
lo "$DEV" set-block-size 0
follows "$file" 0
detach
# Asked for and not possible.
attach "$file" flags=$DIRECT_IO block_size=2048
follows "$file" 0 2048
detach
limit discard_max_bytes 0
NO_HOLES=
img 4M
attach "$IMG"
follows "$IMG" 0
detach
# It comes back with the first file.
NO_HOLES=1
attach "$file"
follows "$file" 0
detach
rm "$file"
umounted "$TMP/ramfs"
