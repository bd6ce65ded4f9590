#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Users without privilege, and root of a namespace. Sourced by test_common.sh.

# as_user COMMAND...: runs it as a user without groups and capabilities. It inherits the open files of the test.
as_user()
{
	# The user may have no access to the directory of the programs.
	[[ -d $TMP/bin ]] || {
		mkdir "$TMP/bin"
		cp "$HERE"/loop_i{octl,o} "$TMP/bin/"
	}
	PATH=$TMP/bin:$PATH setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

# need_namespaces: there are setpriv and unshare, and users can make namespaces.
need_namespaces()
{
	need setpriv unshare
	as_user unshare -Urmpf true || skip "users cannot make namespaces"
}

# as_user_root COMMAND...: as root of namespaces that the user has made.
as_user_root()
{
	as_user unshare -Urmpf "$@"
}

# user_node NAME: makes $TMP/NAME, a node of $DEV that everybody may open. The nodes in /dev are udev's.
user_node()
{
	mknod "$TMP/$1" b 7 "$N"
	chmod 666 "$TMP/$1"
	as_user dd if="$TMP/$1" count=0 status=none || skip "$TMP has no device nodes"
}
