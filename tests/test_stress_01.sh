#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Threads which attach, detach, open and read one device see only what may happen.

. ./test_common.sh

img 1M
new_dev
loop_stress bind 150 "$DEV" "$IMG"
unbound "$DEV"
attach "$IMG"
lo "$DEV" size 1M , clr-fd
unbound "$DEV"
