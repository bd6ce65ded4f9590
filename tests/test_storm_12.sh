#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pinned mode comes and goes in a storm, on ext4. On the C driver there is none, and the rest goes on.

. ./storm_common.sh

backing
may_pin ext4
storm 22 500
without_leaks storm 23 4000
