#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Killing every process in the middle of its calls, again and again, leaves nothing behind"

backing
storm -k 50 9 500
without_leaks storm -p 12 -k 25 -K 10 4000
