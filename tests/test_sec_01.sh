#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Who may not open a node does not have the module loaded, and cannot make nodes, not as root of a namespace either"

need_namespaces
need_unload
mknod -m 600 "$TMP/node" b 7 3
mknod -m 600 "$TMP/control" c 10 237
cat >"$TMP/modprobe-never" <<-SCRIPT
	#!/bin/sh
	echo "\$@" >>"$TMP/asked"
	exit 1
SCRIPT
chmod +x "$TMP/modprobe-never"
mkdir -m 777 "$TMP/ns"
unload_loop
settle
echo "$TMP/modprobe-never" >/proc/sys/kernel/modprobe
: >"$TMP/asked"

nobody_asked()
{
	! grep -e block-major-7 -e char-major-10-237 "$TMP/asked" || fail "the module was asked for"
}

for node in node control; do
	as_user loop_ioctl "$TMP/$node" open r =EACCES , open w =EACCES , open rw =EACCES
	as_user_root loop_ioctl "$TMP/$node" open r =EACCES
done
fails as_user mknod "$TMP/ns/node" b 7 3
fails as_user mknod "$TMP/ns/node" c 10 237
as_user_root sh -c "mount -t tmpfs none $TMP/ns && echo mounted && ! mknod $TMP/ns/node b 7 3" \
	>"$TMP/result" 2>/dev/null || fail "root of a namespace made a node"
same "result" "$(<"$TMP/result")" mounted
nobody_asked

# Nor does one that is made for them, in what they have mounted.
background unshare -Urm sh -c "mount -t tmpfs none $TMP/ns && touch $TMP/ns/mounted && exec sleep 1000"
theirs=/proc/${JOBS[-1]}/root$TMP/ns
poll 20 test -e "$theirs/mounted" || fail "nothing was mounted"
mknod -m 666 "$theirs/node" b 7 3
loop_ioctl "$theirs/node" open r =EACCES
nobody_asked

# Who may open it does.
loop_ioctl "$TMP/node" open r =ENXIO
grep -q block-major-7 "$TMP/asked" || fail "root has not asked for the module either"
[[ ! -d /sys/module/loop ]] || fail "the module is loaded"
