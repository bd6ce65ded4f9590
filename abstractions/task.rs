// SPDX-License-Identifier: GPL-2.0

//! The current task: what it may do, and how its I/O is treated.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/ioprio.h`](srctree/include/linux/ioprio.h),
//! [`include/linux/capability.h`](srctree/include/linux/capability.h)

use kernel::{
    bindings,
    prelude::*,
    time::{delay::fsleep, Delta, Msecs},
    types::NotThreadSafe, //
};

unsafe extern "C" {
    #[link_name = "rust_helper_capable"]
    safe fn capable(cap: c_int) -> bool;

    #[link_name = "rust_helper_cond_resched"]
    safe fn c_cond_resched();

    #[link_name = "rust_helper_in_task"]
    safe fn c_in_task() -> bool;

    #[link_name = "rust_helper_current_is_freezing"]
    safe fn c_current_is_freezing() -> bool;

    #[link_name = "rust_helper_signal_pending"]
    safe fn c_signal_pending() -> bool;

    #[link_name = "rust_helper_fatal_signal_pending"]
    safe fn c_fatal_signal_pending() -> bool;

    #[link_name = "rust_helper_replace_current_ioprio"]
    safe fn replace_current_ioprio(ioprio: u16, previous: &mut u16) -> bool;

    #[link_name = "rust_helper_restore_current_ioprio"]
    safe fn restore_current_ioprio(ioprio: u16);
}

/// Returns whether the current task has `CAP_SYS_ADMIN` in the initial user namespace.
///
/// Process context. The use of a capability is recorded (`PF_SUPERPRIV`, audit), so call this only
/// when the answer matters.
///
/// C: `capable(CAP_SYS_ADMIN)`
pub fn capable_sys_admin() -> bool {
    capable(bindings::CAP_SYS_ADMIN as c_int)
}

/// Lets another task run if the scheduler asks for it. Process context; may sleep.
///
/// C: `cond_resched()`
#[inline]
pub fn cond_resched() {
    c_cond_resched();
}

/// Whether the caller runs in a task, not in an interrupt. Any context.
///
/// C: `in_task()`
#[inline]
pub fn in_task() -> bool {
    c_in_task()
}

/// Whether the current task is being killed, and should end a long operation. Process context.
///
/// C: `fatal_signal_pending()`
pub fn fatal_signal_pending() -> bool {
    c_fatal_signal_pending()
}

/// `EINTR` if the current task is being killed, or is to be frozen for a suspend, and should end a
/// long operation. Process context.
///
/// C: `fatal_signal_pending()`, `freezing()`
#[cfg(FILE_EXTENTS)]
pub fn check_signals() -> Result {
    match fatal_signal_pending() || c_current_is_freezing() {
        true => Err(EINTR),
        false => Ok(()),
    }
}

/// Sleeps for `ms` milliseconds. Fails within a tenth of a second: with `EINTR` if the task is
/// killed, with `ERESTARTNOINTR` if it is to be frozen for a suspend, so that the system call that
/// returns this starts again afterwards.
pub fn sleep_killable(mut ms: Msecs) -> Result {
    const PART: Msecs = 100;

    loop {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        // The freezer makes `signal_pending()` true without a signal. Until it has, the system call
        // would not start again.
        if c_current_is_freezing() && c_signal_pending() {
            return Err(ERESTARTNOINTR);
        }
        if ms == 0 {
            return Ok(());
        }
        let part = ms.min(PART);
        fsleep(Delta::from_millis(i64::from(part)));
        ms -= part;
    }
}

/// Marks the current task as one that other I/O depends on.
///
/// While this exists, the task allocates memory without starting I/O (`PF_MEMALLOC_NOIO`), and its
/// writes are throttled only by the device they go to, not by the total of dirty memory
/// (`PF_LOCAL_THROTTLE`). A worker that carries out the requests of a block device needs both, else
/// it may wait for a request to itself.
///
/// Dropping it restores the two flags. Overlapping scopes have to end in the reverse order of their
/// beginning.
#[must_use = "the scope ends when this is dropped"]
pub struct IoWorkerScope {
    /// The flags of [`Self::FLAGS`] that were set before.
    previous: u32,
    _current: NotThreadSafe,
}

impl IoWorkerScope {
    const FLAGS: u32 = bindings::PF_LOCAL_THROTTLE | bindings::PF_MEMALLOC_NOIO;

    /// Begins the scope. Process context.
    pub fn enter() -> Self {
        Self {
            previous: Self::replace(Self::FLAGS),
            _current: NotThreadSafe,
        }
    }

    /// Sets the flags of [`Self::FLAGS`] that are in `flags`, clears the others of them, and
    /// returns the ones that were set before.
    fn replace(flags: u32) -> u32 {
        // SAFETY: There always is a current task, and it exists while it runs this. Only the task
        // itself modifies its `flags`, and it does not do so in interrupts.
        unsafe {
            let task = bindings::get_current();
            let previous = (*task).flags;

            (*task).flags = (previous & !Self::FLAGS) | (flags & Self::FLAGS);
            previous & Self::FLAGS
        }
    }
}

impl Drop for IoWorkerScope {
    fn drop(&mut self) {
        Self::replace(self.previous);
    }
}

/// Gives the I/O of the current task another priority. It applies to bios without a priority of
/// their own, for example of a file system that reads pages.
///
/// Dropping it restores the task's previous priority, if it had one. Overlapping scopes have to end
/// in the reverse order of their beginning.
#[must_use = "the scope ends when this is dropped"]
pub struct IoPriorityScope {
    /// The previous priority, if this changed it.
    previous: Option<u16>,
    _current: NotThreadSafe,
}

impl IoPriorityScope {
    /// Begins the scope. It does nothing if the task's I/O has the priority
    /// (`include/uapi/linux/ioprio.h`) already, if the priority has no class, or if there is no
    /// memory for a task's first priority.
    ///
    /// Process context; does not sleep. The task must be allowed to set its own priority, as any
    /// kernel thread is.
    ///
    /// C: `set_task_ioprio()`
    #[inline]
    pub fn enter(ioprio: u16) -> Self {
        let mut previous = 0;
        let is_new = replace_current_ioprio(ioprio, &mut previous);

        Self {
            previous: is_new.then_some(previous),
            _current: NotThreadSafe,
        }
    }
}

impl Drop for IoPriorityScope {
    #[inline]
    fn drop(&mut self) {
        if let Some(previous) = self.previous {
            restore_current_ioprio(previous);
        }
    }
}
