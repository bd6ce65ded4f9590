#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What a device is opened for, and what its file is, decide together"

img 1M
io "$IMG" fill 1 0 1M
new_dev
# Opened for writing only it is as good as for both.
lo "$DEV" open w , set-fd "$IMG" , get-status64 flags=0 , ro 0
io -d "$DEV" check 1 0 64K , fill 2 0 64K
detach
lo "$DEV" open w , configure "w:$IMG" , get-status64 flags=0
io -d "$DEV" check 2 0 64K
detach
# One who reads makes it read-only for all, also for the writable file.
lo "$DEV" open rw , open r , configure "$IMG" , ro 1 , use 0 , \
	get-status64 flags=$READ_ONLY , write 0 4096 =EPERM
blockdev --setrw "$DEV"
unchanged lo "$DEV" open w , set-status64 flags=0 , get-status64 flags=$READ_ONLY
detach
lo "$DEV" open rw , configure "$IMG" flags=$READ_ONLY , ro 1
# Not taken back by anything but another attachment.
lo "$DEV" set-status64 flags=0 , set-capacity , set-dio 1 , set-dio 0 , \
	set-block-size 4096 , get-status64 flags=$READ_ONLY , ro 1
limit write_cache "write through"
detach
lo "$DEV" set-fd "$IMG" , ro 0 , write 0 4096 , fsync
detach
