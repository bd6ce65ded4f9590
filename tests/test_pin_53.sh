#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="times of the file"
DESCRIPTION="Where the filesystem was shut down, or went read-only, before the times of a pinned file have moved, nothing hangs and nothing is said about it"

# lost WAY: the filesystem takes no writes any more.
lost()
{
	local id

	if [[ $1 == shutdown ]]; then
		io "$FS" shutdown
		return
	fi
	id=$(findmnt -n -o SOURCE "$FS")
	id=/sys/fs/ext4/${id#/dev/}/trigger_fs_error
	[[ -w $id ]] || skip "no trigger_fs_error"
	mount -o remount,errors=remount-ro "$FS"
	io -d "$DEV" fill 2 0 64K
	echo 1 >"$id"
}

for where in "${PINNABLE[@]/%/ shutdown}" "ext4 error"; do
	read -r type way <<<"$where"
	for next in nothing flush unpin; do
		fs "$type"
		pinned_img 1M
		io -d "$DEV" fill 2 0 64K
		lost "$way"
		case $next in
		nothing)
			sleep 1.5 ;;
		flush)
			soon loop_io -d "$DEV" fsync || true ;;
		unpin)
			soon loop_io "$SYS/loop/pinned" put 0 || true ;;
		esac
		soon loop_ioctl "$DEV" clr-fd || true
		unbound "$DEV"
		umounted "$FS"
	done
done
