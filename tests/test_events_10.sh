#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A LOOP_CONFIGURE refused for its block size leaves change events switched on"

need udevadm
img 64K
new_dev
udevadm monitor --kernel --property --subsystem-match=block >>"$TMP/events" &
JOBS+=($!)
poll 20 grep -q KERNEL "$TMP/events"
sleep 0.2
# A change event asked for by hand comes unless events are suppressed.
echo change >"$SYS/uevent"
poll 10 grep -qxF "DEVNAME=$DEV" "$TMP/events" || fail "no event at all"
lo "$DEV" configure "$IMG" block_size=1 =EINVAL
: >"$TMP/events"
echo change >"$SYS/uevent"
rc=0
poll 5 grep -qxF "DEVNAME=$DEV" "$TMP/events" || rc=1
# Give them back, whatever happened.
lo "$DEV" set-fd "$IMG"
detach
((rc == 0)) || fail "events are suppressed after the refused LOOP_CONFIGURE"
