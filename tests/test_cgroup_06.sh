#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Many cgroups write, in turn and at once: memory and I/O of each write belong to its writer"

# More than have queues of their own in the driver.
COUNT=40
SIZE=$((128 << 10))
# Less than a request of those.
SLACK=$((24 << 10))

# key FILE KEY [DEVICE]: what this file of each cgroup has after the key, in the line of the device.
key()
{
	awk -v key="$2" -v dev="${3:-$2}" '
		$1 == dev {
			for (i = 1; i <= NF; i++) {
				if (index($i, key "=") == 1)
					bytes[FILENAME] = substr($i, length(key) + 2)
				else if ($i == key)
					bytes[FILENAME] = $(i + 1)
			}
		}
		END {
			for (i = 1; i < ARGC; i++)
				print bytes[ARGV[i]] + 0
		}' "${CGROUPS[@]/%//$1}"
}

# have BYTES FILE KEY [DEVICE]: it has grown by so much in each, give or take some metadata.
have()
{
	local now i

	mapfile -t now < <(key "${@:2}")
	((${#now[@]} == COUNT)) || return
	for i in "${!now[@]}"; do
		((now[i] - before[i] >= $1 && now[i] - before[i] <= $1 + SLACK)) || {
			echo "cgroup $((i + 1)): $3 has grown by $((now[i] - before[i])), expected $1"
			return 1
		}
	done
}

# each_writes FILE KEY [DEVICE]: each cgroup writes in turn, then all at once.
each_writes()
{
	local name round at pids checks=()

	mapfile -t before < <(key "$@")
	for round in 1 2; do
		pids=()
		for ((name = 1; name <= COUNT; name++)); do
			at=$(((round * COUNT + name) * SIZE))
			in_cgroup "$name" loop_io -d -b 32K "$DEV" fill "$name" $at $SIZE &
			pids+=($!)
			((round == 2)) || wait $!
			checks+=(check "$name" "$at" "$SIZE" ",")
		done
		((round == 1)) || for name in "${pids[@]}"; do
			wait "$name" || fail "a write failed"
		done
		# What is told of memory may be two seconds old.
		poll 10 have $((round * SIZE)) "$@" ||
			fail "$(have $((round * SIZE)) "$@" || true)"
	done
	io -d "$DEV" "${checks[@]}" fdatasync
}

mapfile -t names < <(seq $COUNT)
cgroup "${names[@]}"
LOOP_SCRATCH_DEV=''
fs ext4
# Writes into holes block, also with direct I/O.
img 16M "$FS/direct"
attach_quietly "$IMG" flags=$DIRECT_IO
each_writes io.stat wbytes "$(mountpoint -d "$FS")"
detach
img 16M "$FS/buffered"
attach_quietly "$IMG"
each_writes memory.stat file
detach
