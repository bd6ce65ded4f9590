// SPDX-License-Identifier: GPL-2.0

//! The hardware queues of a disk, whose number a driver may change.

use super::{
    super::mq::{Operations, QueueCounts, TagSet},
    Disk,
};
use crate::abstractions::sync::LockKillable;
use kernel::{bindings, prelude::*, sync::MutexGuard};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_disk_is_dead(disk: *mut bindings::gendisk) -> bool;
}

/// A disk whose hardware queues only the holder may change.
///
/// # Invariants
///
/// `Private::queues` of the disk is held, and the disk had its tag set when that was locked.
pub struct QueuesGuard<'a, T: Operations> {
    disk: &'a Disk<T>,
    _queues: MutexGuard<'a, ()>,
}

impl<T: Operations> Disk<T> {
    /// Locks the number of hardware queues. Fails with `EINTR` if the task is killed while it
    /// waits, and with `ENODEV` if the disk is being removed. May sleep.
    ///
    /// The caller must not hold a lock that is taken
    /// - with `open_mutex` or [the disk's mutex](Self::lock) held, or to access an attribute of the
    ///   disk: the removal of the disk waits for these, and [`QueuesGuard::set`] for the removal;
    /// - by requests of the disk, or to free memory: [`QueuesGuard::set`] waits for them.
    pub fn lock_queues(&self) -> Result<QueuesGuard<'_, T>> {
        let queues = self.private().queues.lock_killable()?;
        if self.is_dead() {
            return Err(ENODEV);
        }
        // INVARIANT: `OwnedDisk` releases the tag set with the mutex held, after the disk is dead.
        Ok(QueuesGuard {
            disk: self,
            _queues: queues,
        })
    }

    /// Whether the disk is being removed, or was removed (`GD_DEAD`).
    pub(super) fn is_dead(&self) -> bool {
        // SAFETY: By the type invariants the disk is live.
        unsafe { rust_helper_disk_is_dead(self.as_ptr()) }
    }
}

impl<T: Operations> QueuesGuard<'_, T> {
    /// Changes the number of hardware queues. The queue is frozen meanwhile, so no request is lost.
    /// May sleep.
    ///
    /// Numbers above that of possible CPUs are lowered to it. Fails with `EINVAL` without a queue
    /// for requests that are not polled, and with `ENOMEM`. The queues are then as they were.
    /// The caller calls [`QueueLimits::set_poll`](super::super::limits::QueueLimits::set_poll).
    pub fn set(&mut self, counts: QueueCounts) -> Result {
        // SAFETY: By the type invariants the tag set, which was made by `OwnedDisk<T>`, exists. The
        // mutex is held, without which nobody changes its queues or iterates over its tags, but
        // for those who keep the queue in use (`poll`, `others_write`).
        unsafe {
            let queue = self.disk.queue();
            let has_scheduler = !(*queue).elevator.is_null();
            TagSet::<T>::from_raw((*queue).tag_set).set_queues(counts, !has_scheduler)
        }
    }
}
