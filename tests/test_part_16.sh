#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Whatever differs in the GPT of the new file, LOOP_CHANGE_FD has it read again"

uuid=11111111-2222-3333-4444-555555555555
first="start=2048, size=512, uuid=$uuid, name=first"
second="start=4096, size=1024, uuid=22222222-2222-3333-4444-555555555555, name=\"s\xc3\xa9cond\""
disk=$'label: gpt\nlabel-id: 33333333-2222-3333-4444-555555555555'
table img <<<"$disk
$first
$(printf '%b' "$second")"
monitor
attach_quietly "r:$TMP/img" flags=$PARTSCAN
partition 2

same "partitions" "$(shown)" "1 2048 512 PARTN=1 PARTNAME=first PARTUUID=$uuid
2 4096 1024 PARTN=2 PARTNAME=sicond PARTUUID=22222222-2222-3333-4444-555555555555"

echo "1 2048 513 PARTN=1 PARTNAME=first PARTUUID=$uuid" >"$TMP/expected"
table longer <<<"$disk
${first/512/513}"
rescanned "$IMG"
echo "1 2049 512 PARTN=1 PARTNAME=first PARTUUID=$uuid" >"$TMP/expected"
table later <<<"$disk
${first/2048/2049}"
rescanned "$IMG"
rm "$TMP/expected"
printf '%b' "$disk\n${first/name=first/name=fist}\n$second\n" | table name
rescanned "$TMP/name"
printf '%b' "$disk\n${first/1111-2222/1111-2223}\n$second\n" | table uuid
rescanned "$TMP/uuid"
printf '%b' "$disk\n$first\n$second\nstart=6144, size=8\n" | table more
rescanned "$TMP/more"
table fewer <<<"$disk
$first"
rescanned "$IMG"
table dos <<-TABLE
	label: dos
	start=2048, size=512
	start=4096, size=1024
TABLE
rescanned "$IMG"
img 4M none
rescanned "$IMG"

# One that is not valid is none: with a byte changed of the signatures, of what protects it, of a checksum, and of what
# that is of, in the first entry and in the last.
for place in 450 510 512 528 1064 17407; do
	cp "$TMP/img" "$TMP/broken"
	printf 'Z' | dd of="$TMP/broken" bs=1 seek=$place conv=notrunc status=none
	rescanned "$TMP/broken"
done
by_hand
detach
