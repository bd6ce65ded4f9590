#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Queue limits come from the backing file, its filesystem and the mode"

fs ext4
img 4M "$FS/img"
lower=$(stat -c %d "$IMG")
lower=/sys/dev/block/$((lower >> 8 & 0xfff)):$(((lower & 0xff) | (lower >> 12 & 0xfff00)))
attach "$IMG"
limit logical_block_size 512
limit physical_block_size 512
limit minimum_io_size 512
limit discard_granularity 4096
limit write_cache "write back"
limit max_hw_sectors_kb 1280
limit dma_alignment 511
limit rotational "$(<"$lower/queue/rotational")"
same "discard_max_bytes" "$(sys queue/discard_max_bytes)" \
	"$(sys queue/write_zeroes_max_bytes)"
detach

attach "$IMG" flags=$DIRECT_IO
limit logical_block_size "$(<"$lower/queue/logical_block_size")"
limit write_cache "write back"
detach

attach "r:$IMG"
limit write_cache "write through"
detach
limit logical_block_size 512

# On tmpfs the granularity is a page.
img 4M
attach "$IMG"
limit logical_block_size 512
limit discard_granularity "$(stat -f -c %s "$TMP")"
limit rotational 0
grep -q none "$SYS/queue/scheduler" || fail "scheduler $(sys queue/scheduler)"
same "scheduler" "$(grep -o '\[.*\]' "$SYS/queue/scheduler")" "[none]"
same "range" "$(sys range)" 1
same "removable" "$(sys removable)" 0
same "device number" "$(sys dev)" "7:$N"
detach
