#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="the disk fails"
DESCRIPTION="Some blocks below fail, or all writes do: so does what needs these, and nothing else, and it is still pinned when they are good again"

need_module dm_flakey
nullb looppin size=64
good="0 131072 linear $NULLB 0"
dm loop-selftest "$good"
LOOP_SCRATCH_DEV=/dev/mapper/loop-selftest fs ext4 64
# The journal is written when it is asked for only.
mount -o remount,commit=600 "$FS"
fragmented_img 4M
io "$IMG" fill 1 0 4M , fsync
attach "$IMG" flags=$DIRECT_IO
pin 1
sync -f "$FS"
# Where the page at 1M lies, in sectors.
bad=$(blocks_of "$IMG" | tr -d .: | awk '$1 <= 2048 && $2 >= 2048 { print $3 + 2048 - $1 }')
dm_table loop-selftest "$(printf '%s\n' "0 $bad linear $NULLB 0" "$bad 8 error" \
	"$((bad + 8)) $((131072 - bad - 8)) linear $NULLB $((bad + 8))")"
io -d "$DEV" read 1M 4K =EIO
io -d -b 512 "$DEV" read 1M 512 =EIO , read 1052160 512 =EIO
io -d -b 1M "$DEV" read 512K 1M =EIO , read 1020K 8K =EIO
io -d -b 512 "$DEV" check 1 1048064 512 , check 1 1052672 512
io -d -b 1M "$DEV" write 1M 4K =EIO , write 512K 1M =EIO
io -d -b 512K "$DEV" fill 2 512K 512K , fill 2 1028K 512K , check 2 512K 512K , check 2 1028K 512K
is_pinned 1
dm_table loop-selftest "$good"
io -d "$DEV" check 2 512K 512K , check 2 1028K 512K , fill 3 1M 4K , check 3 1M 4K

flakey="0 131072 flakey $NULLB 0 0 1000000 1"
dm_table loop-selftest "$flakey error_writes"
io -d -b 1M "$DEV" write 2M 4K =EIO , write 2M 1M =EIO , check 3 1M 4K
dm_table loop-selftest "$flakey error_reads"
io -d -b 1M "$DEV" read 2M 4K =EIO , fill 4 2M 1M , read 2M 1M =EIO
dm_table loop-selftest "$good"
is_pinned 1
io -d "$DEV" check 3 1M 4K , check 4 2M 1M , check 1 3M 1M
detach
io "$IMG" drop , check 1 0 512K , check 2 512K 512K , check 3 1M 4K , check 2 1028K 512K , check 4 2M 1M , \
	check 1 3M 1M
