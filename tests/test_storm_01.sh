#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Calls of all kinds, by processes which are killed meanwhile, leave nothing behind.

. ./storm_common.sh

backing
storm 1 500
without_leaks storm 2 5000
