#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Attaching and clearing under reads and writes fails I/O at most with EIO"

img 1M
# Writable, whatever it was used for before.
attach "$IMG"
detach
loop_stress clear 100 "$DEV" "$IMG"
unbound "$DEV"
same "size of the file" "$(stat -c %s "$IMG")" 1048576
attach "$IMG"
io -d "$DEV" fill 1 0 256K , check 1 0 256K
detach
