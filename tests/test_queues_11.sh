#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Requests that nobody polls for leave some to others with a scheduler, too, and once it is gone"

need fio
patient_poll_disk looppoll
fresh_dev
set_queues 1 1
lo "$DEV" configure "$NULLB" flags=$DIRECT_IO
settle
grep -q mq-deadline "$SYS/queue/scheduler" || modprobe -q mq-deadline || true
grep -q mq-deadline "$SYS/queue/scheduler" || skip "no mq-deadline"
# So few tags stay, whatever number of requests a scheduler brings.
echo 4 >"$SYS/queue/nr_requests"
for scheduler in mq-deadline none; do
	echo $scheduler >"$SYS/queue/scheduler"
	leaves_some "$scheduler"
done
detach
