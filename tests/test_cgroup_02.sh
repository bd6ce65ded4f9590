#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The file's page cache is charged to the cgroup whose I/O goes through it, and so is writeback"

cgroup a b
LOOP_SCRATCH_DEV=''
fs ext4
img 8M "$FS/img"
attach "$IMG"
in_cgroup a loop_io -d "$DEV" fill 1 0 8M
between "cached by a" "$(cached_bytes a)" $((7 << 20)) $((9 << 20))
between "cached by b" "$(cached_bytes b)" 0 $((1 << 20))

# The file was made by root. It comes to belong to whom most of its dirty pages
# are charged to, when that has been so for some rounds.
for ((i = 0; i < 30; i++)); do
	in_cgroup a loop_io -d "$DEV" fill 1 0 8M
	sync -f "$FS"
	(($(io_bytes a "$NULLB" wbytes) < 8 << 20)) || break
done
((i < 30)) || fail "writeback is not accounted to a"
between "written by b" "$(io_bytes b "$NULLB" wbytes)" 0 $((1 << 20))

io "$IMG" drop , cached 0
between "cached by a" "$(cached_bytes a)" 0 $((1 << 20))
in_cgroup b loop_io -d "$DEV" check 1 0 8M
between "cached by b" "$(cached_bytes b)" $((7 << 20)) $((9 << 20))
between "cached by a" "$(cached_bytes a)" 0 $((1 << 20))
between "read by b" "$(io_bytes b "$NULLB" rbytes)" $((8 << 20)) $((9 << 20))
between "read by a" "$(io_bytes a "$NULLB" rbytes)" 0 $((1 << 20))
detach

# On tmpfs this is the memory that the file is made of.
img 8M
attach "$IMG"
before=$(cached_bytes a)
in_cgroup a loop_io -d "$DEV" fill 1 0 8M
between "added by a" $(($(cached_bytes a) - before)) $((7 << 20)) $((9 << 20))
detach
