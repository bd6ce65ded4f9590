#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="LOOP_CHANGE_FD takes no error of writeback from those who sync the new file"
# One of the old file, or of a file that is detached, is logged if no flush has reported it.

need python3
failing_img 1M
cp "$IMG" "$TMP/plain"
attach_quietly "r:$TMP/plain"
# The same open file, which a new one is told of.
exec 7<"$IMG"
writeback_fails "$IMG"
lo "$DEV" change-fd fd:7
python3 -c '
import errno, os
try:
	os.fsync(7)
except OSError as e:
	assert e.errno == errno.EIO
else:
	raise SystemExit("the error is lost")
os.fsync(7)' || fail "no error of the new file"
logged 0

writeback_fails "$IMG"
lo "$DEV" change-fd "r:$TMP/plain"
logged 1
exec 7<&-
detach
logged 1

attach_quietly "$IMG"
writeback_fails "$DEV"
detach
logged 2

attach_quietly "$IMG"
writeback_fails "$DEV"
io "$DEV" fsync =EIO
detach
logged 2
