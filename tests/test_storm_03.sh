#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="Hostile addresses, numbers and descriptors harm neither the kernel nor another device"

backing
storm -o hhbok 5 500
beside()
{
	img 1M bystander
	attach "$IMG"
	io -d "$DEV" fill 1 0 1M
	storm -o hhhhbscokp 6 5000
	io -d "$DEV" check 1 0 1M , fsync
	detach
	io "$IMG" check 1 0 1M
}
without_leaks beside
