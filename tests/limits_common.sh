#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Queue limits of a loop device, and which ones follow from its backing file. Sourced by test_common.sh.

# has_large_blocks: whether blocks may be larger than a page. Kernels with PREEMPT_RT lack what that takes.
has_large_blocks()
{
	[[ -d /sys/kernel/mm/transparent_hugepage ]]
}

# limit NAME VALUE: checks a queue limit.
limit()
{
	local value

	read -r value <"$SYS/queue/$1"
	same "queue/$1 of $DEV" "$value" "$2"
}

# queue_of FILE: the directory with the limits of the disk that FILE is or lies
# on; fails if there is none, or it cannot be told.
queue_of()
{
	local dev

	if [[ -b $1 ]]; then
		dev=$((0x$(stat -L -c %t "$1"))):$((0x$(stat -L -c %T "$1")))
	else
		dev=$(mountpoint -d "$(stat -c %m "$1")")
	fi
	[[ -d /sys/dev/block/$dev ]] || return
	dev=$(readlink -f "/sys/dev/block/$dev")
	[[ ! -e $dev/partition ]] || dev=${dev%/*}
	echo "$dev/queue"
}

# follows FILE DIRECT [BLOCK_SIZE]: the limits of $DEV, on which LO_FLAGS_DIRECT_IO
# is set or not (1 or 0), are those that the file leads to.
follows()
{
	local file=$1 direct=$2 size=${3:-0} queue dio
	local max=0 granularity=0 rotational=0 unit=512 memory=512

	queue=$(queue_of "$file") || queue=
	if [[ $queue ]]; then
		rotational=$(<"$queue/rotational")
		unit=$(<"$queue/logical_block_size")
		memory=$(($(<"$queue/dma_alignment") + 1))
	fi
	read -ra dio <<<"$(lo "$file" dio-align)"
	if ((dio[0])); then
		memory=${dio[0]}
		unit=${dio[1]}
	fi
	((direct)) || memory=512 unit=512
	((size)) || size=$unit
	if [[ -b $file ]]; then
		# A discard becomes a write of zeroes, which can be trusted.
		max=$(<"$queue/write_zeroes_max_bytes")
		granularity=$(<"$queue/discard_granularity")
	elif [[ ! ${NO_HOLES:-} ]]; then
		max=$((0xffffffff / 512 * 512))
		granularity=$(stat -f -c %s "$file")
	fi
	same "dio of $DEV on $file" "$(sys loop/dio)" "$direct"
	limit logical_block_size "$size"
	limit physical_block_size "$size"
	limit minimum_io_size "$size"
	limit hw_sector_size "$size"
	limit optimal_io_size 0
	limit discard_max_bytes "$max"
	limit discard_max_hw_bytes "$max"
	limit write_zeroes_max_bytes "$max"
	limit discard_granularity $((max ? granularity : 0))
	limit max_discard_segments 1
	limit rotational "$rotational"
	limit write_cache "write $( (($(sys ro))) && echo through || echo back)"
	limit fua 0
	[[ ${NO_DMA:-} ]] ||
		limit dma_alignment $(((memory > 4096 ? 4096 : memory < 512 ? 512 : memory) - 1))
	limit max_hw_sectors_kb 1280
	limit max_sectors_kb 1280
	limit max_segments 128
	limit max_segment_size 65536
	limit virt_boundary_mask 0
	limit chunk_sectors 0
	# C has 0 where the file needs them (limits_14).
	[[ ${STABLE_WRITES:-} ]] || limit stable_writes 0
	limit zoned none
}

# limits_follow FILE: the limits of a device are what follows from the file, in
# each mode and after each change. Block sizes from 4096 on suit it.
limits_follow()
{
	local file=$1 size

	attach "$file"
	follows "$file" 0
	lo "$DEV" set-status64 file_name=name
	follows "$file" 0
	lo "$DEV" set-block-size 4096 , set-dio 1
	follows "$file" 1 4096
	lo "$DEV" set-block-size 4097 =EINVAL
	follows "$file" 1 4096
	lo "$DEV" set-block-size 0
	follows "$file" 1
	lo "$DEV" set-dio 0
	size=$(sys queue/logical_block_size)
	follows "$file" 0 "$size"
	# An offset that does not suit direct I/O ends it, and no more than that.
	lo "$DEV" set-block-size 4096 , set-dio 1 , set-status64 offset=1
	NO_DMA=1 follows "$file" 0 4096
	detach
	# Of the file it keeps all but what a block size is.
	limit logical_block_size 512
	limit physical_block_size 512
	limit minimum_io_size 512

	attach "$file" flags="$DIRECT_IO"
	follows "$file" 1
	lo "$DEV" set-dio 0
	detach
	attach "r:$file" block_size=4096 flags="$DIRECT_IO"
	follows "$file" 1 4096
	lo "$DEV" set-dio 0
	follows "$file" 0 4096
	detach
	attach "d:$file" block_size=4096
	follows "$file" 1 4096
	# Another file of the same size: its buffers' alignment is another test's.
	detach
	# Nothing of it is left with another file.
	img 1M after
	attach "$IMG"
	follows "$IMG" 0
	detach
}

# has_rmw: direct I/O takes smaller blocks than those of the file. While $DEV is bound.
has_rmw()
{
	[[ -e $SYS/loop/dio_reason ]]
}

# in_blocks: $DEV has direct I/O in blocks of 4096 bytes, and smaller ones of its own, where the driver can do that.
in_blocks()
{
	has_rmw || return 0
	same "dio of $DEV" "$(sys loop/dio)" 1
	limit logical_block_size 512
	limit physical_block_size 4096
}
