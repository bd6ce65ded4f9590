#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Whatever differs in the MBR of the new file, LOOP_CHANGE_FD has it read again"

disk=$'label: dos\nlabel-id: 0xbaadf00d'
first="start=2048, size=512"
second="start=4096, size=1024"
table img <<<"$disk
$first
$second"
monitor
attach_quietly "r:$TMP/img" flags=$PARTSCAN
partition 2
same "partitions" "$(shown)" "1 2048 512 PARTN=1 PARTUUID=baadf00d-01
2 4096 1024 PARTN=2 PARTUUID=baadf00d-02"

echo "1 2048 513 PARTN=1 PARTUUID=baadf00d-01" >"$TMP/expected"
table longer <<<"$disk
${first/512/513}"
rescanned "$IMG"
echo "1 2049 512 PARTN=1 PARTUUID=baadf00d-01" >"$TMP/expected"
table later <<<"$disk
${first/2048/2049}"
rescanned "$IMG"
echo "3 2048 512 PARTN=3 PARTUUID=baadf00d-03" >"$TMP/expected"
table number <<<"$disk
3 : $first"
rescanned "$IMG"
rm "$TMP/expected"
table id <<<"${disk/f00d/f00e}
$first
$second"
rescanned "$IMG"
table more <<<"$disk
$first
$second
start=6144, size=8"
rescanned "$IMG"
table fewer <<<"$disk
$first"
rescanned "$IMG"
table gpt <<-TABLE
	label: gpt
	$first
	$second
TABLE
rescanned "$IMG"
img 4M none
rescanned "$IMG"

# Those in which there may be others, a few of them: extended, Solaris or swap, FreeBSD.
for type in 5 82 a5; do
	table "type $type" <<<"$disk
$first
$second, type=$type"
	rescanned "$IMG"
done
# One that is not valid: with a byte changed of the signature, and of the flag of an entry. And one with a GPT.
for place in "510 Z" "446 Z" "512 EFI PART"; do
	cp "$TMP/img" "$TMP/broken"
	printf '%b' "${place#* }" | dd of="$TMP/broken" bs=1 seek="${place%% *}" conv=notrunc status=none
	rescanned "$TMP/broken"
done
by_hand
detach
