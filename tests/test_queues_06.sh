#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="The numbers of hardware queues of one device: the module's at first, then what is written, from the next binding on"

need_unload
unload_loop
load_loop nr_hw_queues=2 poll_queues=1
fresh_dev
has_settings || fail "no settings"
same "modes" "$(stat -c %a "$SYS"/settings/* | xargs)" "644 644"
queue_settings 2 1
hw_queues 2 1

unload_loop
load_loop nr_hw_queues=2147483647
fresh_dev
queue_settings 2147483647 0
hw_queues 2147483647
other=$DEV
fresh_dev
img 1M
io "$IMG" fill 1 0 1M
seed=1
for counts in "1 0" "2 0" "2 2" "1 1" "3 2147483647" "2147483647 0" "0x2 01" "1 0"; do
	# shellcheck disable=SC2086 # Two numbers.
	set_queues $counts
	number=$((${counts% *})) polled=$((${counts#* }))
	queue_settings $number $polled
	lo "$DEV" configure "$IMG"
	hw_queues $number $polled
	queue_settings $number $polled
	limit nr_requests 128
	io -d "$DEV" check $seed 0 1M , fill $((seed + 1)) 0 1M , check $((seed + 1)) 0 1M , fsync
	seed=$((seed + 1))
	detach
	queue_settings $number $polled
	hw_queues $number $polled
done
io "$IMG" check $seed 0 1M

# Nobody else's.
DEV=$other SYS=/sys/block/${other#/dev/}
queue_settings 2147483647 0
hw_queues 2147483647

# A device that is made anew has the module's again.
set_queues 1 1
n=${DEV#/dev/loop}
settle
poll 10 lo $CONTROL remove "$n"
lo $CONTROL add "$n" >"$TMP/number"
queue_settings 2147483647 0
