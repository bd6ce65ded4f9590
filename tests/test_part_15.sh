#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Partitions stay with LOOP_CHANGE_FD to an image with the same table, and show what that has"

long_img 12
cp "$IMG" "$TMP/other"
io "$TMP/other" fill 7 1M 64K 0
io "$IMG" fill 1 1M 64K 0
attach_quietly "r:$IMG" flags=$PARTSCAN
for ((i = 1; i <= PARTS; i++)); do
	partition $i
done
numbers=$(cat "$SYS"/loop*p*/dev)
io "${DEV}p1" check 1 0 64K
opened_all_along
events lo "$DEV" change-fd "r:$TMP/other"
expected=$(echo "change disk"; for ((i = 1; i <= PARTS; i++)); do echo "change p$i PARTN=$i"; done)
same "events" "$EVENTS" "$expected"
io "${DEV}p1" check 7 0 64K
# Also while one is open.
exec 7<"${DEV}p1"
events lo "$DEV" change-fd "r:$IMG"
same "events" "$EVENTS" "$expected"
io "${DEV}p1" check 1 0 64K
exec 7<&-
same "device numbers" "$(cat "$SYS"/loop*p*/dev)" "$numbers"
opened_no_more
detach

# With blocks of another size, too.
need losetup
img 8M large
new_dev
quiet
losetup -b 4096 "$DEV" "$IMG"
sfdisk -q --no-reread --no-tell-kernel "$DEV" <<-TABLE
	label: gpt
	start=512, size=256, name="one"
	start=1024, size=256, name="two"
TABLE
detach
cp "$IMG" "$TMP/large2"
quiet
lo "$DEV" configure "r:$IMG" block_size=4096 flags=$PARTSCAN
partition 2
events lo "$DEV" change-fd "r:$TMP/large2"
same "events" "$EVENTS" "change disk
change p1 PARTN=1 PARTNAME=one
change p2 PARTN=2 PARTNAME=two"
detach
