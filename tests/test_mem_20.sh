#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="A refused LOOP_CONFIGURE does not restrict how memory for the file's pages is allocated, nor do two devices that are detached in the order in which they came"

tracing=/sys/kernel/tracing
[[ -d $tracing/events ]] || mount -t tracefs tracefs $tracing || skip "no tracefs"
event=$tracing/instances/loop-selftest/events/kmem/mm_page_alloc
mkdir -p "${event%/events*}"

# allocations FILE: with which flags readahead allocates pages of the file (not what else it needs).
allocations()
{
	local trace=${event%/events*}

	io "$1" drop
	: >"$trace/trace"
	(
		echo "$BASHPID" >"$trace/set_event_pid"
		echo 1 >"$event/enable"
		exec loop_io "$1" read 0 64K
	)
	echo 0 >"$event/enable"
	sed -n 's/.*gfp_flags=\(.*__GFP_MOVABLE.*__GFP_NORETRY.*\)/\1/p' "$trace/trace" | sort -u
}

fs ext4
img 1M "$FS/other"
io "$IMG" fill 1 0 1M
usual=$(allocations "$IMG")
img 1M "$FS/img"
io "$IMG" fill 1 0 1M
before=$(allocations "$IMG")
new_dev
lo "$DEV" configure "$IMG" block_size=1 =EINVAL
after=$(allocations "$IMG")
# While it is bound it is restricted; this shows that the method works.
lo "$DEV" set-fd "$IMG"
bound=$(allocations "$IMG")
detach
detached=$(allocations "$IMG")
attach "$IMG"
first=$DEV
attach "$IMG"
detach_dev "$first" "$DEV"
twice=$(allocations "$IMG")
rmdir "${event%/events*}"
[[ -n $usual ]] || skip "no allocation was traced"
same "before" "$before" "$usual"
[[ $bound != "$usual" ]] || fail "$usual is not restricted for the bound file"
same "the refused file's" "$after" "$usual"
same "after it was bound" "$detached" "$usual"
same "after it was bound twice" "$twice" "$usual"
