#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Change events tell of attach, new size, LOOP_CHANGE_FD and detach"

need udevadm
img 1M
img 1M other
new_dev
udevadm monitor --kernel --property --subsystem-match=block >>"$TMP/events" &
JOBS+=($!)
poll 20 grep -q KERNEL "$TMP/events"

# How many change events of the device have come with this property, or "plain"
# for those that tell neither of media nor of size. Those which udev asked for,
# as it does when a writer has closed the device, do not count.
event()
{
	awk -v dev="$DEV" -v want="$1" '
		/^KERNEL/ { here = 0; change = 0; has = (want == "plain") }
		/^(DISK_MEDIA_CHANGE|RESIZE)=/ && want == "plain" { has = 0 }
		$0 == "ACTION=change" { change = 1 }
		$0 == "DEVNAME=" dev && !here { here = 1 }
		$0 == want { has = 1 }
		/^SYNTH_UUID=/ { change = 0; here = -1 }
		/^$/ { if (here > 0 && change && has) n++; here = 0 }
		END { print n + 0 }' "$TMP/events"
}

more()
{
	(($(event "$2") > $1))
}

# expect WHAT PROPERTY COMMAND...: the command makes such an event.
expect()
{
	local what=$1 property=$2 before

	shift 2
	before=$(event "$property")
	"$@"
	poll 10 more "$before" "$property" || {
		cat "$TMP/events"
		fail "no event of $what"
	}
}

sleep 0.2
expect attach plain lo "$DEV" set-fd "$IMG"
expect "new size" RESIZE=1 lo "$DEV" set-status64 sizelimit=65536
truncate -s 32K "$IMG"
expect "new capacity" RESIZE=1 lo "$DEV" set-capacity
expect "same capacity" plain lo "$DEV" set-capacity
truncate -s 1M "$IMG"
expect detach plain detach
expect "read-only attach" plain lo "$DEV" set-fd "r:$IMG"
expect LOOP_CHANGE_FD plain lo "$DEV" change-fd "r:$TMP/other"
expect media DISK_MEDIA_CHANGE=1 detach
