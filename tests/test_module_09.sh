#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="hw_queue_depth is the number of requests, up to what the block layer allows"

need_unload
img 256K
for pair in 1:1 2:2 1000:1000 10240:10240 10241:10240 2147483647:10240; do
	unload_loop
	load_loop hw_queue_depth="${pair%:*}" max_loop=1
	same "hw_queue_depth" "$(</sys/module/loop/parameters/hw_queue_depth)" "${pair%:*}"
	attach "$IMG"
	limit nr_requests "${pair#*:}"
	io "$DEV" fill 1 0 256K , fsync , check 1 0 256K
	detach
done
