#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A user has partitions looked for, on attaching with a descriptor that reads, or set with one that writes; BLKRRPART he may not"

need setpriv
gpt_img 4M
new_dev
quiet
exec 7<"$DEV"
# 0x125f is BLKRRPART.
as_user loop_ioctl fd:7 configure "r:$IMG" flags=$PARTSCAN , ioctl 0x125f 0 =EACCES , get-status64 flags=$((READ_ONLY | PARTSCAN))
partition 1
partition 2
exec 7<&-
detach
no_partitions

attach_quietly "$IMG"
exec 7<"$DEV"
as_user loop_ioctl fd:7 set-status64 flags=$PARTSCAN =EPERM
exec 7<>"$DEV"
as_user loop_ioctl fd:7 ioctl 0x125f 0 =EACCES
no_partitions
as_user loop_ioctl fd:7 set-status64 flags=$PARTSCAN
partition 1
partition 2
exec 7<&-
detach
