// SPDX-License-Identifier: GPL-2.0

#include <linux/wait_bit.h>

void rust_helper_wait_until_clear(int *flag)
{
	wait_var_event(flag, !smp_load_acquire(flag));
}

int rust_helper_wait_until_clear_killable(int *flag)
{
	return wait_var_event_killable(flag, !smp_load_acquire(flag));
}

void rust_helper_clear_and_wake_up(int *flag)
{
	store_release_wake_up(flag, 0);
}
