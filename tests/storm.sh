#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: storm.sh SEED CALLS
#
# A long storm, for "make test-storm". Prints what came of the calls, and what
# was counted in the kernel before and after. With even seeds the backing files
# are on ext4 and may be pinned.

. ./storm_common.sh

# udev does not look on.
# shellcheck disable=SC2034 # storm_common.sh looks at it
OBJECTS=150
backing
(($1 % 2)) || may_pin ext4
storm "$1" 1000
without_leaks storm "$1" "$2"
cat "$TMP/storm.log"
join "$TMP/before" "$TMP/after" | awk '
	!/^slab:/ { print "count:", $0 }
	/^slab:/ {
		objects[0] += $2
		objects[1] += $3
		if ($3 - $2 > most) {
			most = $3 - $2
			name = substr($1, 6)
		}
	}
	END {
		print "count: objects", objects[0], objects[1]
		print "count: most of", name, "+" most + 0
	}'
