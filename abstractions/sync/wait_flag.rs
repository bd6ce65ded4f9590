// SPDX-License-Identifier: GPL-2.0

//! A flag to wait for.
//!
//! C header: [`include/linux/wait_bit.h`](srctree/include/linux/wait_bit.h)

use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed},
};

unsafe extern "C" {
    fn rust_helper_wait_until_clear(flag: *mut i32);
    fn rust_helper_wait_until_clear_killable(flag: *mut i32) -> c_int;
    fn rust_helper_clear_and_wake_up(flag: *mut i32);
}

/// A flag that is set and cleared, and on which tasks wait until it is clear. A waiting task holds
/// nothing that setting the flag needs.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::sync::WaitFlag;
/// static BUSY: WaitFlag = WaitFlag::cleared();
///
/// assert!(BUSY.try_set());
/// assert!(!BUSY.try_set());
/// assert!(BUSY.is_set());
///
/// // Wakes the tasks in `wait`.
/// BUSY.clear();
/// BUSY.wait();
/// BUSY.wait_killable()?;
/// # Ok::<(), Error>(())
/// ```
pub struct WaitFlag(Atomic<i32>);

impl WaitFlag {
    /// Creates a flag that is clear.
    pub const fn cleared() -> Self {
        Self(Atomic::new(0))
    }

    /// Sets the flag; `false` if it is set already. Orders nothing. Any context.
    pub fn try_set(&self) -> bool {
        // Relaxed: a caller brings its own ordering (`Frozen`).
        self.0.cmpxchg(0, 1, Relaxed).is_ok()
    }

    /// Whether the flag is set. A task that sees it clear sees everything that was done before it
    /// was cleared. Any context.
    pub fn is_set(&self) -> bool {
        // Acquire, as in `wait`: pairs with the release in `clear`.
        self.0.load(Acquire) != 0
    }

    /// Clears the flag, and wakes the tasks that wait for it. Any context.
    pub fn clear(&self) {
        // SAFETY: The flag is an `int` that lives as long as `self`; C changes it atomically.
        unsafe { rust_helper_clear_and_wake_up(self.0.as_ptr()) };
    }

    /// Waits until the flag is clear. May sleep.
    pub fn wait(&self) {
        // SAFETY: As in `clear`, the flag is an `int` that lives as long as `self`; it is only
        // read.
        unsafe { rust_helper_wait_until_clear(self.0.as_ptr()) };
    }

    /// Waits until the flag is clear; `EINTR` if the task is killed. May sleep.
    pub fn wait_killable(&self) -> Result {
        // SAFETY: As in `clear`, the flag is an `int` that lives as long as `self`; it is only
        // read.
        match unsafe { rust_helper_wait_until_clear_killable(self.0.as_ptr()) } {
            0 => Ok(()),
            _ => Err(EINTR),
        }
    }
}
