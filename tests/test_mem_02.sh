#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Where memory is missing for a new device there is none, and nothing is left of it"

faults
fresh_dev
before=$(snapshot)
each_failing $CONTROL add $((N + 100)) , remove $((N + 100))
lo $CONTROL remove $((N + 100))
looks_like "$before" || fail "it was $before, and is $(snapshot)"
