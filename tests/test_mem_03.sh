#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where memory is missing to attach a file it is not attached, and nothing is changed"

# bound DEVICE OPERATION...: with each allocation failing; then it is bound after all.
bound()
{
	each_failing "$@" , clr-fd
	lo "$1" clr-fd
	unbound "$1"
}

fs ext4
img 1M "$FS/img"
nullb loopmem size=16
faults
fresh_dev
lower=$DEV
fresh_dev
users=$(</sys/module/loop/refcnt)
bound "$DEV" set-fd "$IMG"
bound "$DEV" configure "$IMG" flags=$((DIRECT_IO | PARTSCAN)) block_size=4096
bound "$DEV" configure "$NULLB" flags=$DIRECT_IO
lo "$lower" set-fd "$IMG"
bound "$DEV" configure "r:$lower" offset=4096
detach_dev "$lower"
same "users of the module" "$(</sys/module/loop/refcnt)" "$users"
