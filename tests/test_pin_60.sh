#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="While holes are filled on a slow disk the device is opened, asked, changed, read and written as ever; how far it is can be read; a second one is refused"

. ./fill_common.sh

for type in "${PINNABLE[@]}"; do
	slow_fs "$type"
	sparse_img 96M
	same "pinned_progress" "$(sys loop/pinned_progress)" 0
	filling OK
	soon loop_ioctl "$DEV" open rw , get-status64
	soon loop_ioctl "$DEV" set-status64 file_name=name
	soon loop_io "$SYS/loop/pinned" put fill =EBUSY , put 1 =EBUSY
	soon loop_io -d "$DEV" check 1 0 1M , zero 80M 1M
	soon loop_io -d "$DEV" fill 2 90M 64K
	soon loop_ioctl "$DEV" set-status64 offset=4096 , set-status64
	still_filling
	filled
	io -d -b 1M "$DEV" check 1 0 1M , zero 1M 89M , check 2 90M 64K
	io -d "$DEV" fill 3 70M 1M , check 3 70M 1M
	detach
	io "$IMG" drop , check 3 70M 1M , zero 71M 19M , check 2 90M 64K
	umounted "$FS"
done
