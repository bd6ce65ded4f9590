#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./storm_common.sh

DESCRIPTION="rmmod in a storm goes wholly through or not at all, and not for who has a device open"

# rmmods WHILE: unloads, and loads again, as long as a process is there.
rmmods()
{
	local gone=0 busy=0

	while [[ -d /proc/$1 ]] && ! ended "$1"; do
		if rmmod loop 2>"$TMP/rmmod"; then
			gone=$((gone + 1))
			load_loop "${RELOAD[@]}"
		else
			busy=$((busy + 1))
			grep -q 'in use\|busy\|temporarily unavailable' "$TMP/rmmod" ||
				fail "rmmod: $(<"$TMP/rmmod")"
		fi
	done
	say "rmmod: $gone times gone, $busy times busy"
}

# Where hardly anybody holds the module, it goes again and again.
storm -p 2 -k 20 -o ooocy 11 800 &
JOBS+=($!)
pid=$!
rmmods $pid
wait $pid
# Where everything happens, it goes now and then.
storm -p 3 -k 30 12 1500 &
JOBS+=($!)
pid=$!
rmmods $pid
wait $pid
# Who has it open, or bound, keeps it all the time.
img 64K bystander
attach "$IMG"
exec 7<>"$DEV"
io "$DEV" fill 1 0 64K
storm -p 3 13 1500 &
JOBS+=($!)
pid=$!
while ! ended $pid; do
	fails rmmod loop
	lo fd:7 get-status64 flags=0 , read 0 4096
	io "$DEV" drop , check 1 0 64K
done
wait $pid
lo fd:7 clr-fd
exec 7>&-
unbound "$DEV"
unload_loop
[[ ! -e $DEV && ! -c $CONTROL ]] || fail "nodes are left"
