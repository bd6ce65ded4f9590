#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="modinfo, sysfs and the line that the module logs when it is loaded show one version"

need dmesg modinfo
need_unload
version=$(modinfo -F version "${LOOP_KO:-loop}")
[[ $version == [0-9]* ]] || fail "modinfo shows no version"
unload_loop
load_loop
same "version in sysfs" "$(</sys/module/loop/version)" "$version"
dmesg | tail -n 20 | grep "loop: module loaded, .* version $version\$" >/dev/null || fail "the version is not logged"
