#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pinned mode: switched on and off, and refused. Sourced by test_common.sh.

# The filesystems that pinned mode works on.
# shellcheck disable=SC2034
PINNABLE=(ext4 xfs btrfs)

# has_pinned: whether the driver has pinned mode.
has_pinned()
{
	[[ -e /sys/module/loop/parameters/pinned ]]
}

# need_pinned: skips the test where the driver was built without pinned mode. The C driver, which has none, fails.
need_pinned()
{
	# It may not be loaded yet.
	: <"$CONTROL"
	has_pinned && return
	is_ours || fail "no pinned mode"
	skip "built without pinned mode (LOOP_PINNED=n)"
}

is_pinned()
{
	same "pinned" "$(sys loop/pinned)" "$1"
}

# pin 1|fill: puts $DEV in pinned mode.
pin()
{
	io "$SYS/loop/pinned" put "$1"
	is_pinned 1
	same "pinned_reason" "$(sys loop/pinned_reason)" ""
}

unpin()
{
	io "$SYS/loop/pinned" put 0
	is_pinned 0
	same "pinned_reason" "$(sys loop/pinned_reason)" ""
}

# pin_fails ERROR REASON [fill]: it is refused, pinned_reason contains that, and
# nothing else changes.
pin_fails()
{
	io "$SYS/loop/pinned" put "${3:-1}" "=$1"
	[[ $(sys loop/pinned_reason) == *"$2"* ]] ||
		fail "pinned_reason is \"$(sys loop/pinned_reason)\", expected $2"
	unchanged io "$SYS/loop/pinned" put "${3:-1}" "=$1"
	is_pinned 0
}

# pinned_img SIZE [NAME]: the same as written_img, and $DEV is pinned on it.
pinned_img()
{
	written_img "$@"
	attach "$IMG" flags="$DIRECT_IO"
	pin 1
}

# unpinned COMMAND...: the command ends pinned mode, and says so.
unpinned()
{
	"$@"
	is_pinned 0
	same "pinned_reason" "$(sys loop/pinned_reason)" "the device was changed"
}

# read_on: reads $IMG until there is a file $TMP/enough.
read_on()
{
	while [[ ! -e $TMP/enough ]]; do
		cat "$IMG"
	done >/dev/null
}
