#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the storm tests share: storms, and what they may not leave behind. The
# module is unloaded before and after, so that nothing of it may be left at all.

. ./test_common.sh

# Objects that come and go by themselves, in each cache of the slab allocator.
OBJECTS=600
# KiB of memory that no counter explains.
UNEXPLAINED=4096
# Open files of others, as udev's.
FILES=64
BACKINGS=()
# The C driver notices no circles by way of partitions (nest_10), in which I/O
# waits for itself.
OPTIONS=()
is_ours || OPTIONS=(-P)

# storm [OPTION...] SEED CALLS: see loop_storm.c. A quarter of it where that takes long.
storm()
{
	local arguments=("$@")

	((PATIENCE == 1)) || [[ $TID == storm ]] || arguments[-1]=$((arguments[-1] / 4))
	loop_storm "${OPTIONS[@]}" "${arguments[@]}" "${FS:-$TMP}" "${BACKINGS[@]}" \
		>"$TMP/storm.log" 2>&1 || {
		cat "$TMP/storm.log"
		fail "loop_storm $*"
	}
	head -n 1 "$TMP/storm.log"
}

# backing: gives the storms a block device, all of which is in memory already.
backing()
{
	nullb loopstorm size=4
	io "$NULLB" fill 1 0 4M , fsync , drop
	BACKINGS=("$NULLB")
}

# may_pin TYPE: the backing files are on a file system of that type, and storms pin them, too.
may_pin()
{
	nullb loopfs size=320
	# All of it is in memory already.
	io "$NULLB" fill 1 0 320M , fsync , drop
	LOOP_SCRATCH_DEV=$NULLB fs "$1" 320
	OPTIONS+=(-o bbbbssccoooooiiiiiikkpphfynnn)
}

# counts: what there is in the kernel, a name and a number a line.
counts()
{
	local dir objects

	sync
	echo 3 >/proc/sys/vm/drop_caches
	[[ ! -w /proc/sys/vm/compact_memory ]] || echo 1 >/proc/sys/vm/compact_memory
	for dir in /sys/kernel/slab/*; do
		[[ ! -L $dir && -r $dir/objects ]] || continue
		# Of these some are kept for later use; "vmalloc" tells what is in use.
		[[ ${dir##*/} != @(vmap_area|debug_objects_cache) ]] || continue
		echo 1 >"$dir/shrink"
		read -r objects _ <"$dir/objects"
		echo "slab:${dir##*/} $objects"
	done
	awk '{ print "files", $1 }' /proc/sys/fs/file-nr
	# So that the counters of each CPU are in the sums.
	[[ ! -w /proc/sys/vm/stat_refresh ]] || echo 1 >/proc/sys/vm/stat_refresh
	# Pages that a CPU keeps are free, too.
	awk -F ': *| kB' '
		/^ +count:/ { kept += $2 * 4 }
		{ kib[$1] = $2 }
		END {
			print "percpu", kib["Percpu"]
			print "vmalloc", kib["VmallocUsed"]
			print "unexplained", kib["MemTotal"] - kib["MemFree"] - \
				kib["Buffers"] - kib["Cached"] - kib["AnonPages"] - \
				kib["Slab"] - kib["KernelStack"] - kib["PageTables"] - \
				kib["Percpu"] - kib["VmallocUsed"] - kept
		}' /proc/zoneinfo /proc/meminfo
}

# grown: which counts are above those in $TMP/before.
grown()
{
	counts >"$TMP/after"
	! awk -v objects=$OBJECTS -v files=$FILES -v unexplained=$UNEXPLAINED '
		NR == FNR { before[$1] = $2; next }
		!($1 in before) { next }
		{
			may = $1 == "files" ? files : $1 == "unexplained" ? unexplained : \
				$1 == "percpu" || $1 == "vmalloc" ? 1024 : objects
			if ($2 - before[$1] > may) {
				print $1, before[$1], "->", $2
				bad = 1
			}
		}
		END { exit bad }' "$TMP/before" "$TMP/after"
}

not_grown()
{
	! grown
}

# Whether udev has heard of all that has happened: what it has not is memory of
# the kernel.
heard()
{
	! awk '$2 == 15 && $5 > 0 { found = 1 } END { exit !found }' /proc/net/netlink
}

# Waits for udev, which is much slower than a storm.
settle_after()
{
	poll 600 heard || fail "udev does not keep up"
	until udevadm settle -t $((120 * PATIENCE)) 2>/dev/null; do
		((SECONDS < 600 * PATIENCE)) || fail "udev does not settle"
	done
}

# without_leaks COMMAND...: the command leaves nothing in the kernel. It is run
# with the module loaded, which can go afterwards.
without_leaks()
{
	unload_loop
	settle
	counts >"$TMP/before"
	load_loop "${RELOAD[@]}"
	poll 5 test -c $CONTROL
	"$@"
	settle_after
	poll 20 module_is_free || fail "module users: $(</sys/module/loop/refcnt)"
	unload_loop
	settle_after
	poll 30 not_grown || {
		grown || true
		fail "left in the kernel by: $*"
	}
}

module_is_free()
{
	[[ $(</sys/module/loop/refcnt) == 0 ]]
}

need_unload
