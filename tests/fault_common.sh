#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Allocations that fail. Sourced by test_common.sh.

FAULTS=

# fault NAME VALUE: sets it for all kinds of failures that "faults" has prepared.
fault()
{
	local kind

	for kind in $FAULTS; do
		[[ ! -e $kind/$1 ]] || echo "$2" >"$kind/$1"
	done
}

# faults: allocations in the driver, and in what it calls, can be made to fail:
# by /proc/self/fail-nth, and at random with "fault probability".
faults()
{
	local debug=/sys/kernel/debug text

	[[ -e /proc/self/make-it-fail ]] || skip "no fault injection"
	mountpoint -q $debug || mount -t debugfs debugfs $debug
	[[ -e $debug/failslab/require-start && -d $debug/fail_page_alloc ]] ||
		skip "no failslab, fail_page_alloc or filter for stack traces"
	# Where the driver's code is; it ends within the page of its last function.
	text=$(awk '$4 == "[loop]" && $2 ~ /[tT]/ { print $1 }' /proc/kallsyms | sort)
	[[ -n $text ]] || skip "no symbols of the driver"
	FAULTS="$debug/failslab $debug/fail_page_alloc $debug/fail_usercopy"
	fault verbose 0
	fault stacktrace-depth 32
	fault probability 0
	fault require-start "0x${text%%$'\n'*}"
	fault require-end "$(printf '0x%x' $(((0x${text##*$'\n'} | 4095) + 4097)))"
	fault ignore-gfp-wait N
	fault ignore-gfp-highmem N
	fault min-order 0
	fault times -1
	# udev would open devices, and they are bound then until it is done. From
	# here on there is no "settle".
	settle
	udevadm control --stop-exec-queue
}

# each_failing DEVICE OPERATION...: "loop_ioctl -n", in which something has to fail.
each_failing()
{
	loop_ioctl -n "$@" | tee "$TMP/failed"
	grep -q ': failed [1-9]' "$TMP/failed" || fail "nothing failed: $*"
}
