#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A loop device cannot come to stand on itself by way of a partition"

img 1M
attach_quietly "r:$IMG"
# All of it, as the other file has to be of the same size.
lo "$DEV" add-part 1 0 1M
part=${DEV}p1
poll 5 test -b "$part"
upper=/dev/loop$(lo $CONTROL get-free)
poll 5 test -b "$upper"
# Nobody but us may read it: in a circle that never ends.
exec 7<"$upper"
flock 7
lo "$upper" configure "r:$part"
rc=0
lo "$DEV" change-fd "r:$upper" =EBADF || rc=1
((rc == 0)) || lo "$DEV" change-fd "r:$IMG"
lo "$DEV" get-status64 inode="$(stat -c %i "$IMG")"
lo "$upper" clr-fd
exec 7<&-
unbound "$upper"
lo "$DEV" del-part 1
detach
((rc == 0)) || fail "the circle was not noticed"
