#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Opening loop-control, or a node that has no device, loads the module where it is installed"

need depmod modinfo
need_unload
# A tree of modules with this one alone, and a modprobe that looks there. The
# system's own is left alone: udev has it open.
release=$(uname -r)
mkdir -p "$TMP/root/lib/modules/$release/updates"
cp "${LOOP_KO:-$(modinfo -n loop)}" "$TMP/root/lib/modules/$release/updates/"
touch "$TMP/root/lib/modules/$release/modules".{order,builtin}
depmod -b "$TMP/root" "$release"
grep -qx "loop loop-control c10:237" "$TMP/root/lib/modules/$release/modules.devname" ||
	fail "modules.devname does not know loop-control"
cat >"$TMP/modprobe-root" <<-SCRIPT
	#!/bin/sh
	echo "\$@" >>"$TMP/asked"
	exec modprobe -d "$TMP/root" "\$@"
SCRIPT
chmod +x "$TMP/modprobe-root"
mknod "$TMP/control" c 10 237
mknod "$TMP/node" b 7 3
mknod "$TMP/new" b 7 200

# loads NODE: opening it has the module loaded.
loads()
{
	poll 20 rmmod loop
	loop_ioctl "$TMP/$1" open r 2>/dev/null
	[[ -d /sys/module/loop ]] || {
		say "opening $1 has not loaded the module"
		return 1
	}
}

rc=0
settle
echo "$TMP/modprobe-root" >/proc/sys/kernel/modprobe
loads control || rc=1
settle
loads node || rc=1
settle
loads new || rc=1
echo "$TMP/modprobe" >/proc/sys/kernel/modprobe
cat "$TMP/asked"
((rc == 0)) || fail "the module was not loaded"
[[ -d /sys/block/loop200 ]] || fail "loop200 was not made"
lo $CONTROL get-free >/dev/null
