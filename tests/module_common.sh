#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules: the one under test, unloaded and loaded, and others. Sourced by test_common.sh.

MODULES=()

# Loads the module under test again, with these parameters.
load_loop()
{
	if [[ -n ${LOOP_KO:-} ]]; then
		insmod "$LOOP_KO" "$@"
	else
		modprobe loop "$@"
	fi
}

unload_loop()
{
	# Whoever has just been told of a device may still look at it. Where it is
	# gone by then, that would load the module.
	is_quiet || settle
	poll 20 rmmod loop || fail "rmmod loop"
}

# loaded NAME FILE [PARAMETER=VALUE...]: another module is there, until "unloaded NAME".
loaded()
{
	insmod "${@:2}"
	MODULES+=("$1")
}

unloaded()
{
	local i

	poll 20 rmmod "$1" || fail "rmmod $1"
	for i in "${!MODULES[@]}"; do
		[[ ${MODULES[i]} != "$1" ]] || unset "MODULES[i]"
	done
}

# is_ours: whether the module is not the C driver.
is_ours()
{
	[[ -e /sys/module/loop/parameters/nr_hw_queues ]]
}

# need_unload: the module can go, and comes back as it was after the test.
# Nothing else loads it meanwhile: udev may come late to a node that is gone,
# and opening that would.
need_unload()
{
	local p

	grep -q '^loop ' /proc/modules || skip "loop is not a module"
	((${#BOUND_BEFORE[@]} == 0)) || skip "loop devices are in use"
	RELOAD=()
	for p in max_part hw_queue_depth nr_hw_queues poll_queues pinned; do
		[[ ! -f /sys/module/loop/parameters/$p ]] ||
			RELOAD+=("$p=$(<"/sys/module/loop/parameters/$p")")
	done
	MODPROBE=$(</proc/sys/kernel/modprobe)
	cat >"$TMP/modprobe" <<-SCRIPT
		#!/bin/sh
		case "\$*" in
		*block-major-7-* | *char-major-10-237*) exit 1 ;;
		esac
		exec $MODPROBE "\$@"
	SCRIPT
	chmod +x "$TMP/modprobe"
	echo "$TMP/modprobe" >/proc/sys/kernel/modprobe
}
