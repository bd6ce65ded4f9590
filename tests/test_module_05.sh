#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Numbers of devices below 0 are refused"

need_unload
unload_loop
rc=0
load_loop max_loop=-1 2>/dev/null && rc=1
((rc == 0)) && load_loop "${RELOAD[@]}"
((rc == 0)) || fail "max_loop=-1 is accepted"
