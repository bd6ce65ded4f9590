#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Buffered reads that are submitted at once have each the I/O priority of its own"

batch()
{
	io "$IMG" drop
	requests "$DISK" loop_batch "$DEV"
	# M: metadata of the file system.
	same "bytes by priority" "$(awk '$1 !~ /M/ { sum[$3] += $2 }
		END { for (class in sum) print class, sum[class] }' <<<"$REQUESTS" | sort | tr '\n' ';')" \
		"be,0,6 65536;rt,0,2 1048576;"
}

on_each_fs 8M batch
