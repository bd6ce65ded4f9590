#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="flushes"
DESCRIPTION="What a stacked device has taken over from a bound device is never weakened, whatever is done to that: neither is the write cache of dm-crypt, made before or after, nor do its flushes end above the disk"

need_module dm_crypt

# encrypted NAME: dm-crypt on $DEV.
encrypted()
{
	dm "$1" "0 $(blockdev --getsz "$DEV") crypt aes-xts-plain64 $(printf '%064d' 7) 0 $DEV 0"
}

# weakened NAME BEFORE AFTER: whether the limit promises less than it did.
weakened()
{
	case $1 in
	write_cache) [[ $2 == "write back" && $3 != "$2" ]] ;;
	stable_writes) (($2 > $3)) ;;
	*) [[ $2 != "$3" ]] ;;
	esac
}

# synced PATTERN: what was synced on each stacked device is on the disk.
synced()
{
	local name

	for name in before after; do
		[[ -b /dev/mapper/loop-$name ]] || continue
		io "/dev/mapper/loop-$name" fill "$1" 0 64K , fsync
		io -d "/dev/mapper/loop-$name" fill "$1" 64K 64K , fsync
		io -d -s "/dev/mapper/loop-$name" fill "$1" 128K 64K
		cmp -s <(dd if="$NULLB" bs=4K iflag=direct,skip_bytes skip="$PLACE" count=48 status=none) \
			<(dd if="$IMG" bs=4K count=48 status=none) || fail "by way of loop-$name: not on the disk"
	done
}

# holds PATTERN COMMAND...: all that is promised is so afterwards, too.
holds()
{
	local name
	local -A before

	for name in "${LIMITS[@]}"; do
		before[$name]=$(<"$SYS/queue/$name")
	done
	"${@:2}"
	for name in "${LIMITS[@]}"; do
		! weakened "$name" "${before[$name]}" "$(<"$SYS/queue/$name")" ||
			fail "$name: ${before[$name]}, and $(<"$SYS/queue/$name") after $*"
	done
	synced "$1"
}

LIMITS=(write_cache stable_writes logical_block_size dma_alignment zoned)
for cache in 0 4; do
	nullb "looppin$cache" size=64 cache_size=$cache
	LOOP_SCRATCH_DEV=$NULLB fs ext4 64
	written_img 1M
	PLACE=$(blocks_of "$IMG" | awk 'NR == 1 { gsub(/[.:]+/, " "); print $3 * 512 }')
	attach_quietly "$IMG" flags=$DIRECT_IO
	encrypted loop-before
	holds 2 pin 1
	encrypted loop-after
	holds 3 unpin
	holds 4 pin fill
	holds 5 lo "$DEV" set-capacity
	holds 6 unpinned lo "$DEV" set-dio 0
	holds 7 lo "$DEV" set-dio 1
	holds 8 lo "$DEV" set-status64 keep flags=$DIRECT_IO
	holds 9 pin 1
	dm_gone loop-before loop-after
	detach
	umounted "$FS"
done
