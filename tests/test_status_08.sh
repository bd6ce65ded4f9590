#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While a change of offset or block size waits for the thaw with what is cached, the device can be opened, and read"

sleeps() { [[ $(<"/proc/$1/stat") == *') D '* ]]; }

fs ext4
written_img 2M
attach_quietly "$IMG"
# Its last close would write the pages.
exec 7<>"$DEV"
for change in "set-status64 keep offset=4K" "set-block-size 4096"; do
	io "$DEV" fill 2 0 64K
	frozen "$FS"
	# shellcheck disable=SC2086
	background loop_ioctl "$DEV" $change
	changer=${JOBS[-1]}
	poll 10 sleeps "$changer" || fail "$change does not wait"
	soon loop_io "$DEV" read 1M 64K
	! ended "$changer" || fail "$change did not wait for the thaw"
	thawed
	wait "$changer" || fail "$change failed"
done
exec 7>&-
detach
io "$IMG" check 2 0 4K , check 2 4K 64K 0 , check 1 72K 1M
umounted "$FS"
