#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

TOPIC="holes are filled"
DESCRIPTION="Where it can be seen that a file is refused no hole of it is filled"

# sparse: IMG has a hole below $FS.
sparse()
{
	written_img 1M
	fallocate -p -o 64K -l 64K "$IMG"
	sync "$IMG"
}

# refused ERROR REASON FILE [FIELD=VALUE...]: so it is on a device with that file.
refused()
{
	local blocks

	blocks=$(stat -c %b "$IMG")
	attach "${@:3}"
	pin_fails "$1" "$2" fill
	sync "$IMG"
	same "blocks after \"$2\"" "$(stat -c %b "$IMG")" "$blocks"
	detach
}

FS=$TMP
sparse
refused EOPNOTSUPP "no swap files" "$IMG" flags=$DIRECT_IO

for type in "${PINNABLE[@]}"; do
	fs "$type"
	sparse
	refused EINVAL "direct I/O is off" "$IMG"
	refused EINVAL "read-only" "r:$IMG" flags=$DIRECT_IO
	refused EINVAL "offset" "$IMG" flags=$DIRECT_IO offset=512
	exec 7>>"$IMG"
	refused EINVAL "appended to" fd:7 flags=$DIRECT_IO
	exec 7>&-
	truncate -s 1047552 "$IMG"
	refused EINVAL "size" "$IMG" flags=$DIRECT_IO
	umounted "$FS"
done

nullb loopzoned size=256 zoned=1 zone_size=16 zone_nr_conv=15
LOOP_SCRATCH_DEV=$NULLB fs ext4 128
sparse
refused EINVAL "zoned" "$IMG" flags=$DIRECT_IO
