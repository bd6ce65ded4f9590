#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Errors of the backing file come out as they are if the block layer knows them, else as EIO"

known=" EAGAIN EINVAL ENOMEM ENOSPC EOPNOTSUPP ETIMEDOUT "
fuse_img 1M
attach_quietly "$IMG"
io "$IMG" fill 1 0 1M , drop
for dio in 0 1; do
	lo "$DEV" set-dio $dio
	for error in $known EINTR ENOSYS EPERM EROFS ESTALE; do
		out=EIO
		[[ $known != *" $error "* ]] || out="$error"
		fuse fail write "$error"
		io -d "$DEV" write 0 4096 ="$out"
		fuse fail write OK
		# Reading pages knows one error only.
		((dio)) || out=EIO
		fuse fail read "$error"
		io -d "$DEV" read 64K 4096 ="$out" , read 512K 64K ="$out"
		fuse fail read OK
		# For these it means that it is not there, which is kept in mind.
		[[ $error != @(ENOSYS|EOPNOTSUPP) ]] || continue
		fuse fail fsync "$error"
		fuse fail punch "$error"
		io "$DEV" fsync =EIO , discard 0 4096 =EIO
		fuse fail fsync OK
		fuse fail punch OK
	done
	io -d "$DEV" fill 1 0 64K , check 1 0 1M , fsync
done
detach
