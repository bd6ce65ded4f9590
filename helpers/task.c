// SPDX-License-Identifier: GPL-2.0

#include <linux/freezer.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

bool rust_helper_capable(int cap)
{
	return capable(cap);
}

void rust_helper_cond_resched(void)
{
	cond_resched();
}

unsigned int rust_helper_memalloc_noreclaim_save(void)
{
	return memalloc_noreclaim_save();
}

void rust_helper_memalloc_noreclaim_restore(unsigned int flags)
{
	memalloc_noreclaim_restore(flags);
}

bool rust_helper_in_task(void)
{
	return in_task();
}

bool rust_helper_current_is_freezing(void)
{
	return freezing(current);
}

bool rust_helper_signal_pending(void)
{
	return signal_pending(current);
}

bool rust_helper_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

/*
 * Sets the I/O priority of the current task, and stores the one that was set
 * before. Returns false, and does nothing, if the task's I/O has that priority
 * already, if @ioprio has no class, or if there is no memory.
 */
bool rust_helper_replace_current_ioprio(u16 ioprio, u16 *previous)
{
	struct io_context *ioc = current->io_context;

	if (IOPRIO_PRIO_CLASS(ioprio) == IOPRIO_CLASS_NONE ||
	    ioprio == get_current_ioprio())
		return false;
	*previous = ioc ? ioc->ioprio : IOPRIO_DEFAULT;
	return !set_task_ioprio(current, ioprio);
}

void rust_helper_restore_current_ioprio(u16 ioprio)
{
	set_task_ioprio(current, ioprio);
}
