#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Files are bound, changed and cleared, devices added and removed, all at once, and nothing is lost"

backing
storm -o bbccooi 3 500
without_leaks storm -p 10 -o bbbccoooi 4 5000
