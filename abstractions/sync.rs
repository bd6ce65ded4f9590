// SPDX-License-Identifier: GPL-2.0

//! Locking that a fatal signal interrupts, and a flag to wait for.
//!
//! C headers: [`include/linux/mutex.h`](srctree/include/linux/mutex.h),
//! [`include/linux/wait_bit.h`](srctree/include/linux/wait_bit.h)

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed},
        Mutex,
        MutexGuard, //
    }, //
};

// `struct mutex` comes from `bindings`, where it has its C layout; that of the types it is made of
// is not always expressible.
#[allow(improper_ctypes)]
unsafe extern "C" {
    #[link_name = "rust_helper_mutex_lock_killable"]
    fn mutex_lock_killable(lock: *mut bindings::mutex) -> c_int;

    fn rust_helper_wait_until_clear(flag: *mut i32);
    fn rust_helper_wait_until_clear_killable(flag: *mut i32) -> c_int;
    fn rust_helper_clear_and_wake_up(flag: *mut i32);
}

/// Locks that a task can be killed while it waits for.
pub trait LockKillable {
    /// What holds the lock.
    type Guard<'a>
    where
        Self: 'a;

    /// Acquires the lock, or fails with [`EINTR`] when the task gets a fatal signal first.
    ///
    /// Process context; may sleep.
    fn lock_killable(&self) -> Result<Self::Guard<'_>>;
}

/// C: `mutex_lock_killable()`
impl<T: ?Sized> LockKillable for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    #[inline]
    fn lock_killable(&self) -> Result<MutexGuard<'_, T>> {
        // `Lock` is `repr(C)`, and starts with the `Opaque` state, which for a mutex is this.
        let state = core::ptr::from_ref(self)
            .cast_mut()
            .cast::<bindings::mutex>();

        // SAFETY: Every `Mutex` was initialised by its constructor. It is not moved or freed while
        // it is borrowed, and its state may be modified through a shared reference.
        to_result(unsafe { mutex_lock_killable(state) })?;

        // SAFETY: The mutex was acquired by the line above, and the guard state is `()`.
        Ok(unsafe { MutexGuard::new(self, ()) })
    }
}

/// A flag that tasks wait for until it is clear. Waiting holds nothing that setting needs.
pub struct WaitFlag(Atomic<i32>);

impl WaitFlag {
    /// Makes one that is clear.
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Sets the flag; `false` if it is set already. Any context.
    pub fn try_set(&self) -> bool {
        self.0.cmpxchg(0, 1, Relaxed).is_ok()
    }

    /// Whether the flag is set. A task that sees it clear sees everything that was done before it was cleared. Any
    /// context.
    pub fn is_set(&self) -> bool {
        self.0.load(Acquire) != 0
    }

    /// Clears the flag, and wakes those who wait for that. Any context.
    pub fn clear(&self) {
        // SAFETY: The flag is an `int` that lives as long as `self`; C changes it atomically.
        unsafe { rust_helper_clear_and_wake_up(self.0.as_ptr()) };
    }

    /// Waits until the flag is clear. May sleep.
    pub fn wait(&self) {
        // SAFETY: As in `clear`; it is only read.
        unsafe { rust_helper_wait_until_clear(self.0.as_ptr()) };
    }

    /// Waits until the flag is clear; `EINTR` if the task is killed. May sleep.
    pub fn wait_killable(&self) -> Result {
        // SAFETY: As in `wait`.
        match unsafe { rust_helper_wait_until_clear_killable(self.0.as_ptr()) } {
            0 => Ok(()),
            _ => Err(EINTR),
        }
    }
}
