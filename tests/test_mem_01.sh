#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="I/O does not fail for want of memory that cannot be waited for, as the array for a request of several bios, or a bio"

fs ext4
nullb loopmem size=32
img 16M "$FS/img"
faults
fault ignore-gfp-wait Y

# starved FILE WHAT PERCENT: I/O on the device, while so many allocations fail; all of it is in the file.
starved()
{
	local file=$1 merged failures

	merged=$(awk '{ print $2 + $6 }' "$SYS/stat")
	fault times 1000000
	fault probability "$3"
	# What is submitted at once, and in sequence, becomes one request.
	fio_verify "$DEV" --direct=1 --rw=write --bs=4k --size=4m --iodepth=32 \
		--iodepth_batch_submit=32 --iodepth_batch_complete_min=32
	fio_verify "$DEV" --direct=1 --bs=4k-64k --size=8m
	io -d -b 1M "$DEV" fill 1 0 8M , check 1 0 8M
	io "$DEV" fill 2 0 8M , fsync , drop , check 2 0 8M
	fault probability 0
	merged=$(($(awk '{ print $2 + $6 }' "$SYS/stat") - merged))
	((merged > 100)) || fail "$merged bios were merged"
	failures=$((1000000 - $(<"${FAULTS%% *}/times")))
	say "$file, $2: $merged bios merged, $failures allocations failed"
	((failures > 0)) || fail "no allocation failed"
	detach
	io "$file" check 2 0 8M
}

for file in "$IMG" "$NULLB"; do
	for flags in 0 $DIRECT_IO; do
		attach "$file" flags="$flags"
		starved "$file" "flags $flags" 100
	done
done
if has_pinned; then
	attach "$IMG" flags=$DIRECT_IO
	pin fill
	# Debug objects, which come with each completion, are given up where there never is memory for them.
	starved "$IMG" pinned 50
fi
