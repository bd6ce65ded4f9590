#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Change events tell of attach, new size, LOOP_CHANGE_FD and detach.

. ./test_common.sh

need udevadm
img 1M
img 1M other
new_dev
udevadm monitor --kernel --property --subsystem-match=block >>"$TMP/events" &
JOBS+=($!)
poll 20 grep -q KERNEL "$TMP/events"

# Waits for an event of the device that has come since the last call, with the
# property if one is given, and prints how many have come.
event()
{
	awk -v dev="$DEV" -v want="${1:-ACTION=change}" '
		/^KERNEL/ { here = 0; change = 0; has = 0 }
		$0 == "ACTION=change" { change = 1 }
		$0 == "DEVNAME=" dev { here = 1 }
		$0 == want { has = 1 }
		/^$/ { if (here && change && has) n++; here = 0 }
		END { print n + 0 }' "$TMP/events"
}

more()
{
	(($(event "${2:-}") > $1))
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
expect attach ACTION=change lo "$DEV" set-fd "$IMG"
expect "new size" RESIZE=1 lo "$DEV" set-status64 sizelimit=65536
truncate -s 32K "$IMG"
expect "new capacity" RESIZE=1 lo "$DEV" set-capacity
expect "same capacity" ACTION=change lo "$DEV" set-capacity
truncate -s 1M "$IMG"
expect detach ACTION=change detach
expect "read-only attach" ACTION=change lo "$DEV" set-fd "r:$IMG"
expect LOOP_CHANGE_FD ACTION=change lo "$DEV" change-fd "r:$TMP/other"
expect media DISK_MEDIA_CHANGE=1 detach
