#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's events, and udev, which acts on them. Sourced by test_common.sh.

MARKS=0
MARK_UUID=
EVENTS=

# Waits until udev looks at nothing any more: partitions that it has open keep
# the table from being read again.
settle()
{
	need udevadm
	udevadm settle -t $((120 * PATIENCE))
}

# mark SECONDS: makes an event that marks a point in their sequence, and waits
# for the monitor to hear it.
mark()
{
	MARKS=$((MARKS + 1))
	printf -v MARK_UUID '%08d-0000-0000-0000-000000000000' "$MARKS"
	echo "change $MARK_UUID" >/sys/class/mem/null/uevent
	poll "$1" grep -q "^SYNTH_UUID=$MARK_UUID" "$TMP/monitor"
}

# monitor: from now on the kernel's events are recorded, for "events".
monitor()
{
	need udevadm
	# Not with the lock that keeps udev off.
	udevadm monitor --kernel --property >>"$TMP/monitor" 8<&- &
	JOBS+=($!)
	# It may not listen yet.
	poll 20 mark 0 || fail "no events are heard"
}

# events COMMAND...: EVENTS are those of $DEV that the command made, one a line:
# the action, "disk" or the rest of the name, and properties which not all have.
# Events that somebody asked for, as udev does for devices which were closed by
# a writer, are left out.
events()
{
	local from

	mark 20
	from=$MARK_UUID
	"$@"
	mark 20
	# shellcheck disable=SC2034
	EVENTS=$(awk -v disk="${DEV#/dev/}" -v from="$from" -v to="$MARK_UUID" '
		BEGIN {
			RS = ""
			FS = "\n"
			split("ACTION DEVPATH SUBSYSTEM SEQNUM MAJOR MINOR DEVNAME DEVTYPE DISKSEQ PARTUUID", names, " ")
			for (i in names)
				usual[names[i]]
		}
		{
			delete has
			more = ""
			for (i = 2; i <= NF; i++) {
				name = substr($i, 1, index($i, "=") - 1)
				has[name] = substr($i, length(name) + 2)
				if (!(name in usual))
					more = more " " $i
			}
		}
		has["SYNTH_UUID"] == to { exit }
		has["SYNTH_UUID"] == from { on = 1 }
		!on || has["SYNTH_UUID"] != "" { next }
		index(has["DEVPATH"] "/", "/block/" disk "/") {
			count = split(has["DEVPATH"], parts, "/")
			name = parts[count]
			if (name == disk)
				name = "disk"
			else if (index(name, disk) == 1)
				name = substr(name, length(disk) + 1)
			print has["ACTION"], name more
		}' "$TMP/monitor")
}
