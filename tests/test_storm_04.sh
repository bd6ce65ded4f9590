#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="I/O of all kinds while files, settings and partitions change beneath it, with udev looking on"

need udevadm
backing
storm -o ibso 7 500
# Has udev look at all devices again and again.
look()
{
	while :; do
		udevadm trigger --subsystem-match=block --sysname-match='loop*'
		udevadm settle -t 5 || true
	done
}
beside()
{
	local looker

	look &
	looker=$!
	JOBS+=("$looker")
	storm -o iiiiiibbsspppookf 8 4000
	kill "$looker"
	wait "$looker" || true
}
without_leaks beside
