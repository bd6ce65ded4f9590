#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Pinned mode comes and goes in a storm, on XFS"
# The C driver has none, the rest goes on.

backing
may_pin xfs
storm 23 500
without_leaks storm 24 4000
