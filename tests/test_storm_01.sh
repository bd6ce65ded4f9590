#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Calls of all kinds, by processes which are killed meanwhile, leave nothing behind"

backing
storm 1 500
without_leaks storm 2 5000
