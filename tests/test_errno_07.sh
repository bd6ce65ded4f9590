#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Of several mistakes in one LOOP_CONFIGURE the C driver's first is told, and nothing changes"

img 64K
attach "$IMG"
lower=$DEV
new_dev
free=$DEV
# The file, who has the device, its state, the flags, encryption, numbers.
unchanged lo "$DEV" configure fd:-1 flags=32 =EBADF , \
	configure pipe: flags=32 offset=0xffffffffffffffff =EINVAL , \
	configure "$IMG" flags=32 offset=0xffffffffffffffff =EINVAL , \
	configure "$IMG" encrypt_type=1 offset=0xffffffffffffffff =EINVAL , \
	configure "$IMG" key_size=33 sizelimit=0xffffffffffffffff =EINVAL , \
	configure "$IMG" offset=0xffffffffffffffff block_size=1 =EOVERFLOW , \
	configure "r:$DEV" flags=32 offset=0xffffffffffffffff =EBADF
unchanged lo "$DEV" open rx , open rw , configure fd:-1 =EBADF , \
	configure "r:$TMP" =EINVAL , configure pipe: =EBUSY , \
	configure "r:$DEV" =EBUSY , configure "$IMG" flags=32 =EBUSY , \
	configure "$IMG" offset=0xffffffffffffffff =EBUSY
DEV=$lower
SYS=/sys/block/${DEV#/dev/}
unchanged lo "$DEV" configure fd:-1 flags=32 =EBADF , \
	configure "r:$TMP" flags=32 =EINVAL , configure event: =EINVAL , \
	configure "$IMG" flags=32 =EBUSY , \
	configure "r:$DEV" =EBUSY , configure "$free" =EBUSY , \
	configure "$IMG" block_size=1 =EBUSY , \
	configure "$IMG" ptr=bad =EFAULT , configure "$IMG" ptr=null =EFAULT
detach
