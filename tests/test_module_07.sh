#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="max_part becomes the next power of two less one, which spreads the minor numbers"

need_unload
img 64K
for pair in -1:0 0:0 1:1 2:3 3:3 4:7 7:7 8:15 15:15 100:127 128:255 255:255; do
	unload_loop
	given=${pair%:*}
	max=${pair#*:}
	load_loop max_part="$given" max_loop=2
	shown=$max
	# A negative one is left as it is.
	((given >= 0)) || shown=$given
	same "max_part=$given" "$(</sys/module/loop/parameters/max_part)" "$shown"
	same "number of loop1" "$(</sys/block/loop1/dev)" "7:$((max + 1))"
	same "range" "$(</sys/block/loop1/range)" $((max + 1))
	same "ext_range" "$(</sys/block/loop1/ext_range)" 256
	# The device has the flag without asking for it, or not.
	DEV=/dev/loop1
	SYS=/sys/block/loop1
	lo "$DEV" set-fd "$IMG" , get-status64 flags=$((max ? PARTSCAN : 0))
	same "partscan" "$(sys loop/partscan)" $((max > 0))
	detach
done
