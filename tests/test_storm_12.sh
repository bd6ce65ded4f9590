#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Pinned mode comes and goes in a storm, on ext4"
# The C driver has none, the rest goes on.

backing
may_pin ext4
storm 22 500
without_leaks storm 23 4000
