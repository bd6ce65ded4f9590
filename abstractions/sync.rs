// SPDX-License-Identifier: GPL-2.0

//! Locking that a fatal signal interrupts.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        Mutex,
        MutexGuard, //
    }, //
};

#[cfg(FILE_EXTENTS)]
mod wait_flag;

#[cfg(FILE_EXTENTS)]
pub use wait_flag::WaitFlag;

// `struct mutex` has its C layout in `bindings`, but Rust cannot express the layout of every type
// in it.
#[allow(improper_ctypes)]
unsafe extern "C" {
    #[link_name = "rust_helper_mutex_lock_killable"]
    fn mutex_lock_killable(lock: *mut bindings::mutex) -> c_int;
}

/// Locks that let a fatal signal end the wait.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::sync::LockKillable;
/// use kernel::{new_mutex, sync::Mutex};
/// use pin_init::stack_pin_init;
///
/// stack_pin_init!(let sum: Mutex<i32> = new_mutex!(1));
///
/// *sum.lock_killable()? += 1;
/// assert_eq!(*sum.lock_killable()?, 2);
/// assert_eq!(sum.try_lock().map(|sum| *sum), Some(2));
/// # Ok::<(), Error>(())
/// ```
pub trait LockKillable {
    /// The guard that holds the lock.
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
