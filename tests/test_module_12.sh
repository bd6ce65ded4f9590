#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A refused or removed device gives its reference to the module back"

need_unload
img 64K
users()
{
	[[ $(</sys/module/loop/refcnt) == "$1" ]]
}
new_dev
settle
poll 10 users 0
for ((i = 0; i < 20; i++)); do
	lo "$DEV" configure "$IMG" flags=32 =EINVAL , set-fd fd:-1 =EBADF , \
		set-fd pipe: =EINVAL , configure "$IMG" key_size=99 =EINVAL
	lo $CONTROL add 0 =ANY >/dev/null
done
poll 10 users 0 || fail "refused attachments count: $(</sys/module/loop/refcnt)"
attach "$IMG"
settle
# The bound device, and one who has it open.
poll 10 users 1 || fail "a bound device counts as $(</sys/module/loop/refcnt)"
exec 7<"$DEV"
poll 10 users 2 || fail "an open one as $(</sys/module/loop/refcnt)"
lo "$DEV" set-fd "$IMG" =EBUSY , configure "$IMG" =EBUSY
exec 7<&-
detach
settle
poll 10 users 0 || fail "$(</sys/module/loop/refcnt) are left after detaching"
exec 7<$CONTROL
users 1 || fail "loop-control counts as $(</sys/module/loop/refcnt)"
exec 7<&-
