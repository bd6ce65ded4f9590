#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Root of a namespace has no more rights with a descriptor than others: CAP_SYS_ADMIN counts in the initial one"

need_namespaces
img 64K
img 64K other
attach "r:$TMP/img"
# The descriptor is one that root has opened.
exec 7<"$DEV"

# refused COMMAND...: what takes the capability. The last two are the block layer's, BLKRRPART and BLKPG.
refused()
{
	"$@" set-status64 =EPERM , set-status =EPERM , set-capacity =EPERM , set-dio 1 =EPERM , \
		set-block-size 1024 =EPERM , ioctl 0x125f 0 =EACCES , add-part 1 0 4K =EACCES
}

unchanged refused as_user_root loop_ioctl fd:7
# That of a namespace of root's own may open the node, as its owner.
unchanged refused unshare -Urmpf loop_ioctl "$DEV" open r ,
limit logical_block_size 512
lo fd:7 set-status64 file_name=a , set-capacity , set-dio 1 , set-dio 0

# What takes no capability he may do.
as_user_root loop_ioctl fd:7 get-status64 file_name=a flags=$READ_ONLY , change-fd "r:$TMP/other" , \
	get-status64 inode="$(stat -c %i "$TMP/other")" , clr-fd
exec 7<&-
unbound "$DEV"
lo "$DEV" set-fd "$IMG"
exec 7<>"$DEV"
as_user_root loop_ioctl fd:7 set-status64 file_name=b , set-capacity , ioctl 0x125f 0 =EACCES
exec 7<&-
detach
