#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A device that could not be attached holds neither file nor module, and can be attached"

mkdir "$TMP/files"
mounted -t tmpfs none "$TMP/files"
img 64K "$TMP/files/img"
new_dev
unchanged lo "$DEV" set-fd "r:$TMP/files" =EINVAL , \
	configure "$IMG" flags=2 =EINVAL , configure "$IMG" flags=0x40 =EINVAL , \
	configure "$IMG" encrypt_type=18 =EINVAL , \
	configure "$IMG" key_size=33 =EINVAL , \
	configure "$IMG" offset=0x8000000000000000 =EOVERFLOW , \
	configure "$IMG" ptr=edge =EFAULT , set-fd "r:$DEV" =EBADF
unchanged lo "$DEV" open rx , open rw , set-fd "$IMG" =EBUSY
unchanged lo "$DEV" change-fd "r:$IMG" =ENXIO , set-status64 offset=512 =ENXIO , \
	set-capacity =ENXIO , set-dio 1 =ENXIO , set-block-size 4096 =ENXIO , \
	clr-fd =ENXIO , get-status64 =ENXIO
# Nothing has it: it can be unmounted.
umounted "$TMP/files"
# Nor does a claim remain.
img 64K
lo "$DEV" open rwx , set-fd "$IMG"
unchanged lo "$DEV" set-fd "$IMG" =EBUSY , configure "$IMG" =EBUSY , \
	set-fd pipe: =EBUSY , set-fd "r:$TMP" =EINVAL , open rx , \
	get-status64 flags=0
detach
