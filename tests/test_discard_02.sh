#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Writing zeroes gives zeroes; with space kept if asked for, with and without fallocate"

# Modes of fallocate.
KEEP=1
PUNCH=2
ZERO=16
fs ext4
for where in "$FS" "$TMP"; do
	img 4M "$where/img"
	io "$IMG" fill 1 0 4M , fsync
	before=$(stat -c %b "$IMG")
	attach "$IMG"
	io "$DEV" fallocate $((PUNCH | KEEP)) 2M 512K , flush , zero 2M 512K
	freed=$(((before - $(stat -c %b "$IMG")) * 512))
	((freed >= 500000)) || fail "only $freed bytes were freed"
	before=$(stat -c %b "$IMG")
	io "$DEV" zeroout 1M 512K , flush , zero 1M 512K
	((before - $(stat -c %b "$IMG") <= 16)) ||
		fail "BLKZEROOUT has freed space"
	io "$DEV" fallocate $((ZERO | KEEP)) 1536K 256K , flush , \
		zero 1536K 256K
	io "$DEV" check 1 0 1M , check 1 1792K 256K , check 1 2560K 1536K , \
		zeroout 1024 512 , zeroout 4095K 1024 , flush , \
		zero 1024 512 , zero 4095K 1024 , check 1 1536 4096
	# And again, when it has found out what the file can do.
	io "$DEV" zeroout 3M 512K , flush , zero 3M 512K , check 1 3584K 256K
	detach
	io "$IMG" zero 1M 768K , zero 3M 512K
	rm "$IMG"
done
