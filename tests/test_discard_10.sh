#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="While a request hangs, a limit that the file does not support holds others up a few times at most"

TRACE=/sys/kernel/tracing
[[ -d $TRACE/events ]] || mount -t tracefs none $TRACE
[[ -w $TRACE/kprobe_events ]] || skip "no kprobes"
[[ ! -e $TRACE/events/loop_selftest ]] || echo -:loop_selftest/freeze >>$TRACE/kprobe_events
echo 'p:loop_selftest/freeze blk_freeze_queue_start' >>$TRACE/kprobe_events
freezes() { grep -c 'freeze: (blk_freeze_queue_start' $TRACE/trace || true; }
no_discard() { [[ $(sys queue/discard_max_bytes) == 0 ]]; }

fuse_img 1M
attach_quietly "$IMG" flags=$DIRECT_IO
fuse fail punch EOPNOTSUPP
read_hangs
echo >$TRACE/trace
echo 1 >$TRACE/events/loop_selftest/freeze/enable
# Long enough for what is tried again and again, after pauses however long a user may take for none.
for ((i = 0; i < 150; i++)); do
	io "$DEV" discard 64K 64K 2>/dev/null || true
	io -d "$DEV" read 128K 4096
	sleep 0.1
done
count=$(freezes)
echo 0 >$TRACE/events/loop_selftest/freeze/enable
echo -:loop_selftest/freeze >>$TRACE/kprobe_events
between "freezes of the queue" "$count" 0 4
read_goes_on

# When nothing is under way any more the next one that is refused is the last.
refused()
{
	io "$DEV" discard 64K 64K 2>/dev/null || true
	no_discard
}
poll 20 refused || fail "the limit stays"
io "$DEV" discard 64K 64K =EOPNOTSUPP
detach
