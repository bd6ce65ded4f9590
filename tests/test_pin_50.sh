#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="times of the file"
DESCRIPTION="The times of a pinned file move with what is written to the device, soon, and at once at a flush, unpin and detach; not by reading, nor by pinning"
# The change counter moves, too.

need debugfs

stays()
{
	sleep 1.5
	same "times of the file on $type" "$(times)" "$before"
}

# moves SECONDS COMMAND...: the command moves them, in that time.
moves()
{
	local seconds=$1

	shift
	old
	"$@"
	if ((seconds)); then
		poll "$seconds" moved || fail "the times on $type stay: $*"
	else
		moved || fail "the times on $type have not moved yet: $*"
	fi
}

# Writes, and no flush after it.
write_and()
{
	io -d "$DEV" fill 2 0 8K
	"$@"
}

# version: the change counter of the file on ext4, as on the disk.
version()
{
	sync -f "$FS"
	debugfs -R "stat /img" "$(findmnt -n -o SOURCE "$FS")" 2>/dev/null |
		grep -o 'Version: *0x[0-9a-f:]*'
}

for type in "${PINNABLE[@]}"; do
	fs "$type"
	written_img 1M
	sync -f "$FS"
	old
	attach "$IMG" flags=$DIRECT_IO
	pin 1
	io -d "$DEV" check 1 0 1M , fsync
	stays

	moves 10 io -d "$DEV" fill 2 0 512K
	moves 10 io -d "$DEV" discard 512K 64K
	moves 0 io -d "$DEV" fill 3 4K 4K , fsync
	moves 0 io "$DEV" fill 4 4K 4K , fsync
	moves 0 io -d -s "$DEV" fill 5 4K 4K
	moves 0 write_and unpin
	pin 1
	moves 0 write_and detach

	# Where times are kept from the disk for long.
	mount -o remount,lazytime,noatime "$FS"
	attach "$IMG" flags=$DIRECT_IO
	pin 1
	[[ $type != ext4 ]] || was=$(version)
	moves 10 io -d "$DEV" fill 2 0 4K
	[[ $type != ext4 || $was && $(version) != "$was" ]] ||
		fail "no change was counted: $was"
	moves 0 io -d "$DEV" fill 3 4K 4K , fsync
	old
	detach
	stays
	umounted "$FS"
done
