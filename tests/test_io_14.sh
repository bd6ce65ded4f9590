#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="I/O in pinned mode has the priority of who submits it"

need_pinned
fs ext4
disk=$(findmnt -n -o SOURCE "$FS")
pinned_img 8M
quiet
keeps_priority R "$disk" 8388608 check 1 0 8M
keeps_priority R "$disk" 65536 read 0 64K
keeps_priority W "$disk" 65536 write 1M 64K
keeps_priority W "$disk" 65536 zeroout 1M 64K
keeps_priority W "$disk" 65536 discard 1M 64K
detach
