// SPDX-License-Identifier: GPL-2.0

#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

bool rust_helper_capable(int cap)
{
	return capable(cap);
}

void rust_helper_cond_resched(void)
{
	cond_resched();
}

bool rust_helper_in_task(void)
{
	return in_task();
}

bool rust_helper_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}
