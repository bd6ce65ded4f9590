#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A new medium gets a new sequence number: with each attach, change of file and detach"

img 1M
cp "$IMG" "$TMP/other"
new_dev
quiet
last=$(sys diskseq)
# renumbered YES COMMAND...: whether the command gives it another number.
renumbered()
{
	local yes=$1 now

	shift
	"$@"
	now=$(sys diskseq)
	if ((yes)); then
		((now > last)) || fail "no new number by: $*"
	else
		same "number after $*" "$now" "$last"
	fi
	last=$now
}
same "events" "$(sys events)" media_change
renumbered 1 lo "$DEV" set-fd "r:$IMG"
renumbered 0 lo "$DEV" set-capacity , set-status64 offset=512 , set-status64 , \
	set-dio 1 , set-dio 0 , set-block-size 4096 , set-block-size 513 =EINVAL
renumbered 1 lo "$DEV" change-fd "r:$TMP/other"
renumbered 0 lo "$DEV" change-fd fd:-1 =EBADF , change-fd pipe: =EINVAL , \
	set-fd "$IMG" =EBUSY , configure "$IMG" flags=32 =EBUSY
renumbered 1 detach
quiet
renumbered 0 lo "$DEV" configure "$IMG" flags=32 =EINVAL , clr-fd =ENXIO , \
	change-fd "$IMG" =ENXIO , set-fd "r:$TMP" =EINVAL
renumbered 1 lo "$DEV" set-fd "$IMG"
renumbered 0 lo "$DEV" clr-fd
finish()
{
	loud
	unbound "$DEV"
}
renumbered 1 finish
