#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Only regular files and block devices can be attached"

new_dev
for op in set-fd configure; do
	lo "$DEV" $op fd:-1 =EBADF , $op fd:999 =EBADF , \
		$op "r:$TMP" =EINVAL , $op "p:$TMP" =EBADF , \
		$op r:/dev/null =EINVAL , $op /dev/zero =EINVAL , \
		$op pipe: =EINVAL , $op socket: =EINVAL , $op event: =EINVAL , \
		$op "p:$0" =EBADF , $op r:/proc/self/status =ANY , \
		get-status64 =ANY >"$TMP/result"
	# Files of proc are regular: they can be attached, and have no size.
	if [[ $(tail -n 1 "$TMP/result") != ENXIO ]]; then
		lo "$DEV" size 0
		detach
	fi
done
lo "$DEV" get-status64 =ENXIO
