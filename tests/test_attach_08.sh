#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="32 devices at once keep their data apart with I/O on all of them in parallel"

COUNT=32
DEVS=()
for ((i = 0; i < COUNT; i++)); do
	img 1M "img$i"
	attach "$IMG" flags=$((i % 2 ? DIRECT_IO : 0))
	DEVS+=("$DEV")
done
PIDS=()
for ((i = 0; i < COUNT; i++)); do
	loop_io "${DEVS[i]}" fill "$i" 0 1M , fsync &
	PIDS+=($!)
done
for pid in "${PIDS[@]}"; do
	wait "$pid"
done
for ((i = 0; i < COUNT; i++)); do
	io "$TMP/img$i" check "$i" 0 1M
	io "${DEVS[i]}" check "$i" 0 1M
done
for dev in "${DEVS[@]}"; do
	lo "$dev" clr-fd
done
for dev in "${DEVS[@]}"; do
	unbound "$dev"
done
