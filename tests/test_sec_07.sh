#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The rights of the open file count: not those of who opens the device, nor his limits, nor those that were lost since"

need setpriv
fs ext4

# used_by COMMAND...: who cannot open $IMG reads and writes it by way of $TMP/node.
used_by()
{
	local dio

	fails "$@" cat "$IMG"
	for dio in 0 1; do
		lo "$DEV" set-dio $dio
		"$@" loop_io "$TMP/node" fill 1 0 64K , fsync , check 1 0 64K
		"$@" loop_io -d "$TMP/node" fill 2 64K 64K , check 2 64K 64K , check 1 0 64K
		"$@" loop_io "$TMP/node" discard 0 64K , zero 0 64K
		io "$IMG" check 2 64K 64K
	done
}

new_dev
user_node node
img 1M "$FS/img"
# Nor does it lose this by being written to, as it would by him.
chmod 4700 "$IMG"
lo "$DEV" set-fd "$IMG"
used_by as_user
# In which nothing can be written to a file.
(ulimit -f 0; used_by as_user)
same "mode" "$(stat -c %a "$IMG")" 4700
detach

# Of a file that was his when he attached it.
img 1M "$FS/theirs"
chown 65534 "$IMG"
chmod 600 "$IMG"
as_user loop_ioctl "$TMP/node" set-fd "$IMG"
chown 0 "$IMG"
used_by as_user
detach

# He could read it only.
chmod 644 "$IMG"
as_user loop_ioctl "$TMP/node" set-fd "r:$IMG"
lo "$DEV" open rw , ro 1 , write 0 4096 =EPERM
detach
