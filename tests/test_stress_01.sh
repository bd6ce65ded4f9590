#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Threads which attach, detach, open and read one device see only what may happen"

img 1M
new_dev
loop_stress bind 150 "$DEV" "$IMG"
unbound "$DEV"
attach "$IMG"
lo "$DEV" size 1M , clr-fd
unbound "$DEV"
