#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="With a descriptor that reads a user puts another file below a filesystem, which is shut down"

need setpriv mkfs.ext4
mkdir "$TMP/content" "$TMP/mnt"
echo hello >"$TMP/content/file"
for name in old new; do
	img 16M $name
	mkfs.ext4 -q -F -d "$TMP/content" "$IMG"
done
attach "r:$TMP/old"
mounted -t ext4 -o ro "$DEV" "$TMP/mnt"
exec 7<"$DEV"
same "content" "$(<"$TMP/mnt/file")" hello
as_user loop_ioctl fd:7 change-fd "r:$TMP/new"
fails cat "$TMP/mnt/file"
exec 7<&-
umounted "$TMP/mnt"
lo "$DEV" get-status64 inode="$(stat -c %i "$TMP/new")" flags=$READ_ONLY
mounted -t ext4 -o ro "$DEV" "$TMP/mnt"
same "content" "$(<"$TMP/mnt/file")" hello
umounted "$TMP/mnt"
detach
