// SPDX-License-Identifier: GPL-2.0

//! The held `open_mutex` of a disk, which keeps out opens, closes and other scans for partitions.

use super::{super::mq::Operations, Disk};
use core::ops::Deref;
use kernel::{bindings, error::to_result, prelude::*, types::NotThreadSafe};

impl<T: Operations> Disk<T> {
    /// Locks `open_mutex`, which comes before the disk's mutex. May sleep.
    pub fn lock_open(&self) -> OpenGuard<'_, T> {
        // SAFETY: By the type invariants the disk is live; `open_mutex` was set up when it was
        // allocated.
        unsafe { bindings::mutex_lock(&raw mut (*self.as_ptr()).open_mutex) };
        // INVARIANT: `open_mutex` was locked above.
        OpenGuard(OpenLocked {
            disk: self,
            _not_send: NotThreadSafe,
        })
    }
}

/// A disk whose `open_mutex` is held, by the block layer or by an `OpenGuard`.
///
/// It does not dereference to the [`Disk`]: functions that take a `Disk` may lock `open_mutex`.
///
/// # Invariants
///
/// `open_mutex` is held, by or for the current task, as long as this exists.
pub struct OpenLocked<'a, T: Operations> {
    disk: &'a Disk<T>,
    /// Another task would not hold the mutex.
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> OpenLocked<'a, T> {
    /// # Safety
    ///
    /// The disk's `open_mutex` is held, by or for the current task, as long as the result exists.
    pub(super) unsafe fn new(disk: &'a Disk<T>) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            disk,
            _not_send: NotThreadSafe,
        }
    }

    /// The disk, for everything that does not lock `open_mutex`.
    pub fn disk(&self) -> &'a Disk<T> {
        self.disk
    }

    /// Drops all partitions and scans for new ones (`bdev_disk_changed()`). Writes dirty pages of
    /// the disk's page cache before; errors of that are kept for the next sync of a file system on
    /// the disk. May sleep.
    ///
    /// Fails with `EBUSY` if a partition is open, `EIO` if the table cannot be read, `ENXIO` if the
    /// disk is being removed.
    pub fn rescan_partitions(&self) -> Result {
        self.disk.part0().mapping().keep_error(|| {
            // SAFETY: The disk is live, and by the type invariants `open_mutex` is held.
            to_result(unsafe { bindings::bdev_disk_changed(self.disk.as_ptr(), false) })
        })
    }
}

/// Holds `open_mutex` until it is dropped.
///
/// # Invariants
///
/// The current task has locked `open_mutex` for this.
#[must_use = "the mutex is unlocked at once when unused"]
pub struct OpenGuard<'a, T: Operations>(OpenLocked<'a, T>);

impl<'a, T: Operations> Deref for OpenGuard<'a, T> {
    type Target = OpenLocked<'a, T>;

    fn deref(&self) -> &OpenLocked<'a, T> {
        &self.0
    }
}

impl<T: Operations> Drop for OpenGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The disk is live, and by the type invariants this task holds its mutex.
        unsafe { bindings::mutex_unlock(&raw mut (*self.disk.as_ptr()).open_mutex) };
    }
}
