#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Requests: which ones reach a disk, and data that is written and compared. Sourced by test_common.sh.

TRACE=

# requests DISK COMMAND...: REQUESTS are those that the disk's driver gets
# meanwhile, one a line: R, W or so, bytes, I/O priority (class, hint, level).
requests()
{
	local dir=/sys/kernel/tracing dev

	mountpoint -q $dir || mount -t tracefs tracefs $dir || skip "no tracefs"
	[[ -d $dir/events/block/block_rq_issue ]] || skip "no block_rq_issue"
	dev=$(($(stat -L -c "(%Hr << 20) + %Lr" "$1")))
	shift
	# Once: each time the kernel's text is patched, which QEMU without KVM does
	# not always survive.
	[[ -n $TRACE ]] || {
		TRACE=$dir/instances/loop-selftest
		mkdir "$TRACE"
		echo 0 >"$TRACE/tracing_on"
		echo 1 >"$TRACE/events/block/block_rq_issue/enable"
	}
	echo "dev == $dev" >"$TRACE/events/block/block_rq_issue/filter"
	: >"$TRACE/trace"
	echo 1 >"$TRACE/tracing_on"
	"$@"
	echo 0 >"$TRACE/tracing_on"
	REQUESTS=$(sed -n 's/.*block_rq_issue: [0-9,]* \([A-Z]*\) .* + \([0-9]*\) \([a-z]*,[0-9]*,[0-9]*\) .*/\1 \2 \3/p' \
		"$TRACE/trace" | awk '{ print $1, $2 * 512, $3 }')
}

# keeps_priority R|W DISK BYTES OPERATION...: what "loop_io $DEV" reads or writes
# goes to the disk as so many bytes, at least, with the priority of who does it.
# All that is read has that.
keeps_priority()
{
	local op=$1 disk=$2 bytes=$3 class

	need ionice
	shift 3
	# The last one is what all have who ask for none.
	for class in "rt,0,2 ionice -c 1 -n 2" "idle,0,7 ionice -c 3" \
		"be,0,6 ionice -c 2 -n 6" "be,0,4 env"; do
		[[ $op != R ]] || io "$IMG" drop
		# shellcheck disable=SC2086 # A command with its options.
		requests "$disk" ${class#* } loop_io -d "$DEV" "$@"
		echo "$REQUESTS" | awk -v op="$op" -v class="${class%% *}" -v bytes="$bytes" '
			index($1, op) == 1 && $3 == class { sum += $2; next }
			op == "R" && /^R/ { other = 1 }
			END { exit other || sum < bytes }' ||
			fail "$(tr '\n' ';' <<<"$REQUESTS") of ${class%% *}, $*"
	done
}

# fio_verify TARGET [OPTION...]: writes, then reads back and compares.
fio_verify()
{
	local file=$1

	need fio
	shift
	fio --name="$TID" --filename="$file" --thread --rw=randwrite --bs=8k \
		--size=16m --ioengine=libaio --iodepth=16 --verify=crc32c \
		--do_verify=1 --verify_state_save=0 --verify_fatal=1 \
		--clocksource=clock_gettime --allow_mounted_write=1 \
		--randseed=1 "$@" >"$TMP/fio.log" 2>&1 || {
		cat "$TMP/fio.log"
		fail "fio on $file"
	}
}
