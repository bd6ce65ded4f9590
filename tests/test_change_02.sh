#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD shows the new file's data and refuses what cannot take its place"

img 1M old
io "$IMG" fill 1 0 1M
img 1M new
io "$IMG" fill 2 0 1M
img 2M bigger
new_dev
lo "$DEV" change-fd "r:$TMP/new" =ENXIO , change-fd fd:-1 =EBADF , \
	change-fd fd:999 =EBADF

# Not while it can be written to.
lo "$DEV" set-fd "$TMP/old" , change-fd "r:$TMP/new" =EINVAL
detach

lo "$DEV" set-fd "r:$TMP/old"
exec 7<"$DEV"
io "$DEV" check 1 0 1M
lo "$DEV" change-fd "r:$TMP/bigger" =EINVAL , change-fd fd:-1 =EBADF , \
	change-fd "r:$TMP" =EINVAL , change-fd /dev/null =EINVAL , \
	change-fd pipe: =EINVAL , change-fd "p:$TMP/new" =EBADF , \
	change-fd "r:$DEV" =EBADF
same "backing_file" "$(sys loop/backing_file)" "$TMP/old"
io "$DEV" check 1 0 1M
lo "$DEV" change-fd "r:$TMP/new" , get-status64 flags=$READ_ONLY \
	inode="$(stat -c %i "$TMP/new")"
same "backing_file" "$(sys loop/backing_file)" "$TMP/new"
# Not from the page cache: a reader such as udev may have filled it with the old
# data between its invalidation and the switch.
io -d "$DEV" check 2 0 1M
exec 7<&-
detach

# Size is what counts, after the limit; a writable file stays protected.
lo "$DEV" configure "r:$TMP/old" sizelimit=65536 , \
	change-fd "$TMP/bigger" , get-status64 flags=$READ_ONLY , \
	write 0 4096 =EPERM
detach
