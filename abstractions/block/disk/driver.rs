// SPDX-License-Identifier: GPL-2.0

//! The users of a driver's code, for which the module's exit waits.

use super::DiskOperations;
use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
};

unsafe extern "C" {
    fn rust_helper_wait_until_zero(count: *mut i32);
    safe fn rust_helper_synchronize_rcu_tasks();
}

/// How many users a driver's code has: one for the [`DiskDriver`], and one for each disk whose data
/// is not released; 0 without a `DiskDriver`.
pub(super) struct Users(Atomic<i32>);

impl Users {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Adds a user; `ENODEV` without a [`DiskDriver`].
    fn get(&self) -> Result {
        // Relaxed: `cmpxchg` checks what this returns.
        let mut users = self.0.load(Relaxed);
        while users != 0 {
            match self
                .0
                .cmpxchg(users, users.checked_add(1).ok_or(ENOMEM)?, Full)
            {
                Ok(_) => return Ok(()),
                Err(now) => users = now,
            }
        }
        Err(ENODEV)
    }

    /// Removes a user. If the caller does not keep the module, it may only return after this.
    pub(super) fn put(&self) {
        // Full: `wake_up_var()` requires it, and it pairs with the acquire in `DiskDriver::drop`,
        // before which the data is released.
        if self.0.fetch_sub(1, Full) == 1 {
            // SAFETY: `wake_up_var()` uses the address to find waiters, and does not read from it.
            unsafe { bindings::wake_up_var(self.0.as_ptr().cast()) };
        }
    }
}

/// Keeps the code of a driver until the data of its last disk is released. A module has one for
/// each driver, and drops it last.
///
/// Removing a disk need not release its data. A task may hold a reference to the disk's device
/// without one to the module: a write to `io.max` of a cgroup does, and so does an open that has
/// not succeeded yet. The task that puts the last reference calls `free_disk()`, which is code of
/// the module.
///
/// # Invariants
///
/// This is one of `users` of the vtable of `T`. There is no other `DiskDriver<T>`.
pub struct DiskDriver<T: DiskOperations>(PhantomData<fn() -> T>);

impl<T: DiskOperations> DiskDriver<T> {
    /// Allows disks of `T` to be made. Fails with `EBUSY` if there is a `DiskDriver` for `T`, or a
    /// disk of an earlier one.
    pub fn new() -> Result<Self> {
        // INVARIANT: This is the one user, since no other function adds the first one.
        match T::vtable().users.0.cmpxchg(0, 1, Full) {
            Ok(_) => Ok(Self(PhantomData)),
            Err(_) => Err(EBUSY),
        }
    }
}

impl<T: DiskOperations> Drop for DiskDriver<T> {
    /// Waits until the data of the last disk is released, and the task that did so has left
    /// `free_disk()`. May sleep.
    fn drop(&mut self) {
        let users = &T::vtable().users.0;
        users.fetch_sub(1, Full);
        // SAFETY: The counter is in a static.
        unsafe { rust_helper_wait_until_zero(users.as_ptr()) };
        // That task may be preempted between `put` and the end of `free_disk`.
        rust_helper_synchronize_rcu_tasks();
    }
}

/// One of the [`Users`] of the code of `T`, removed when dropped.
pub(super) struct DiskUser<T: DiskOperations>(PhantomData<fn() -> T>);

impl<T: DiskOperations> DiskUser<T> {
    pub(super) fn get() -> Result<Self> {
        T::vtable().users.get()?;
        Ok(Self(PhantomData))
    }

    /// Leaves the removal to `free_disk`.
    pub(super) fn leave_to_disk(self) {
        core::mem::forget(self);
    }
}

impl<T: DiskOperations> Drop for DiskUser<T> {
    fn drop(&mut self) {
        T::vtable().users.put();
    }
}
