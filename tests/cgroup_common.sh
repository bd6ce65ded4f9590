#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Cgroups, and what is accounted to them. Sourced by test_common.sh.

CGROUPS=()

# cgroup NAME...: makes cgroups in which block I/O and memory are accounted.
cgroup()
{
	local name c

	CGROUP_ROOT=$(findmnt -n -f -t cgroup2 -o TARGET) || skip "no cgroup2"
	for c in io memory; do
		grep -qw $c "$CGROUP_ROOT/cgroup.controllers" ||
			skip "no cgroup controller $c"
		echo +$c >"$CGROUP_ROOT/cgroup.subtree_control"
	done
	for name; do
		mkdir "$CGROUP_ROOT/loop-selftest-$name"
		CGROUPS+=("$CGROUP_ROOT/loop-selftest-$name")
	done
}

# in_cgroup NAME PROGRAM...: runs it in a cgroup.
in_cgroup()
(
	echo "$BASHPID" >"$CGROUP_ROOT/loop-selftest-$1/cgroup.procs"
	shift
	exec "$@"
)

# no_cgroup NAME...: removes cgroups in which no process is left.
no_cgroup()
{
	local name i

	for name; do
		poll 20 rmdir "$CGROUP_ROOT/loop-selftest-$name" ||
			fail "cgroup $name cannot be removed"
		for i in "${!CGROUPS[@]}"; do
			[[ ${CGROUPS[i]} != */loop-selftest-$name ]] || unset "CGROUPS[i]"
		done
	done
}

# dying: how many removed cgroups the kernel still has.
dying()
{
	awk '$1 == "nr_dying_descendants" { print $2 }' "$CGROUP_ROOT/cgroup.stat"
}

# few_dying COUNT: no more than that, without what the page cache keeps.
few_dying()
{
	echo 3 >/proc/sys/vm/drop_caches
	(($(dying) <= $1))
}

# io_bytes NAME DEVICE KEY: what io.stat says of a cgroup's I/O to a device.
io_bytes()
{
	awk -v dev="$(($(stat -L -c %Hr "$2"))):$(($(stat -L -c %Lr "$2")))" -v key="$3" '
		$1 == dev {
			for (i = 2; i <= NF; i++)
				if (index($i, key "=") == 1)
					bytes = substr($i, length(key) + 2)
		}
		END { print bytes + 0 }' "$CGROUP_ROOT/loop-selftest-$1/io.stat"
}

# io_limit NAME DEVICE LIMIT...: sets io.max.
io_limit()
{
	local dev

	dev=$(($(stat -L -c %Hr "$2"))):$(($(stat -L -c %Lr "$2")))
	echo "$dev ${*:3}" >"$CGROUP_ROOT/loop-selftest-$1/io.max" ||
		skip "no io.max"
}

# cached_bytes NAME: how much page cache is charged to a cgroup.
cached_bytes()
{
	awk '$1 == "file" { print $2 }' \
		"$CGROUP_ROOT/loop-selftest-$1/memory.stat"
}
