#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="What somebody has mapped of a partition while the file changes does not stay cached with data from the old one"

# changed NUMBER: LOOP_CHANGE_FD with pages of this partition in use; the new file has pattern 7 there.
changed()
{
	# Its last close would drop them.
	exec 7<"${DEV}p$1"
	io "${DEV}p$1" check 1 0 64K , map-hold 0 64K "loop_ioctl $DEV change-fd r:$TMP/other"
	io "${DEV}p$1" check 7 0 64K
	exec 7<&-
}

for label in gpt dos; do
	gpt_img 4M
	sfdisk -q -X "$label" "$IMG" <<<"start=2048, size=512"
	cp "$IMG" "$TMP/other"
	io "$TMP/other" fill 7 1M 64K 0
	attach_quietly "r:$IMG" flags=$PARTSCAN
	partition 1
	changed 1
	partition 1
	detach
done

# Also where the table says of others, so that they would go if none was open, and where none is looked for.
for flags in $PARTSCAN 0; do
	img 4M
	cp "$IMG" "$TMP/other"
	io "$IMG" fill 1 1M 64K 0
	io "$TMP/other" fill 7 1M 64K 0
	attach_quietly "r:$IMG" flags="$flags"
	lo "$DEV" add-part 5 1M 64K
	changed 5
	detach
done
