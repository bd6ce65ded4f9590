#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

. ./test_common.sh

DESCRIPTION="Settings of one device: what is no number of queues is refused, and anything while the device is bound, without a change"

# refused: what is wrong.
refused()
{
	local value

	for value in "" " " x -1 1x "1 2" " 2" "2 " 0x 0x+5 0b10 0o7 08 1.5; do
		fails_with EINVAL "$value" nr_hw_queues
		fails_with EINVAL "$value" poll_queues
	done
	for value in 2147483648 4294967297 99999999999999999999; do
		fails_with ERANGE "$value" nr_hw_queues
		fails_with ERANGE "$value" poll_queues
	done
	fails_with EINVAL 0 nr_hw_queues
}

# fails_with ERROR TEXT NAME: a write to the attribute. Sysfs drops an empty one, hence the newline.
fails_with()
{
	io "$SYS/settings/$3" put "$2"$'\n' "=$1"
}

fresh_dev
img 1M
set_queues 2 1
settle
unchanged refused
queue_settings 2 1
lo "$DEV" configure "$IMG"
hw_queues 2 1
settle
unchanged refused
busy()
{
	io "$SYS/settings/nr_hw_queues" put 3 =EBUSY , put 2 =EBUSY
	io "$SYS/settings/poll_queues" put 0 =EBUSY , put 1 =EBUSY
}
unchanged busy
queue_settings 2 1
hw_queues 2 1

# Nor does a binding that fails, as the device is bound, or what is given is no file.
lo "$DEV" configure "$IMG" =EBUSY
unchanged busy
detach
for field in block_size=7 flags=4096; do
	set_queues 1
	lo "$DEV" configure "$IMG" $field =EINVAL
	# Where the arguments alone are wrong, the queues stay.
	hw_queues 2 1
	set_queues 2 1
	queue_settings 2 1
done
lo "$DEV" configure "r:$TMP" =EINVAL
set_queues 3
lo "$DEV" configure "$IMG"
hw_queues 3
io "$SYS/settings/nr_hw_queues" put 1 =EBUSY

# With autoclear, the last close ends it.
lo "$DEV" set-status64 flags=$AUTOCLEAR
unbound "$DEV"
set_queues 1
hw_queues 3
