// SPDX-License-Identifier: GPL-2.0

//! Limits of a request queue.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    disk::{Disk, DiskGuard, Frozen},
    mq::Operations,
};
use core::{
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};
use kernel::{bindings, error::to_result, prelude::*, time::Jiffies, types::NotThreadSafe};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_queue_limits_start_update(
        q: *mut bindings::request_queue,
        lim: *mut bindings::queue_limits,
    );
    fn rust_helper_queue_limits_try_start_update(
        q: *mut bindings::request_queue,
        lim: *mut bindings::queue_limits,
    ) -> bool;
    fn rust_helper_queue_limits_cancel_update(q: *mut bindings::request_queue);

    #[link_name = "rust_helper_is_valid_block_size"]
    safe fn c_is_valid_block_size(bytes: c_uint) -> bool;
}

// Checked against the header in `helpers/block.c`.
const BLK_FEAT_WRITE_CACHE: u32 = 1 << 0;
const BLK_FEAT_FUA: u32 = 1 << 1;
const BLK_FEAT_STABLE_WRITES: u32 = 1 << 5;
const BLK_FEAT_POLL: u32 = 1 << 9;

/// Whether a queue can have this logical block size, in bytes (`blk_validate_block_size()`).
pub fn is_valid_block_size(bytes: u32) -> bool {
    c_is_valid_block_size(bytes)
}

/// A `struct queue_limits`. The values are checked when they are committed. By default they are
/// zero, which the block layer replaces by its own defaults.
#[derive(Clone, Copy, Default)]
pub struct QueueLimits(bindings::queue_limits);

impl QueueLimits {
    /// Sets the largest request, in 512-byte sectors.
    pub fn set_max_hw_sectors(&mut self, sectors: u32) -> &mut Self {
        self.0.max_hw_sectors = sectors;
        self
    }

    /// Sets logical and physical block size and minimum I/O size, all in bytes; clears the optimal
    /// I/O size.
    pub fn set_block_size(&mut self, bytes: u32) -> &mut Self {
        self.0.logical_block_size = bytes;
        self.0.physical_block_size = bytes;
        self.0.io_min = bytes;
        self.0.io_opt = 0;
        self
    }

    /// Sets the block size that suits I/O best, in bytes, if it is larger than the logical block
    /// size: physical block size, minimum and optimal I/O size. If it is not, the first two become
    /// the logical block size, and there is no optimal I/O size.
    pub fn set_preferred_block_size(&mut self, bytes: u32) -> &mut Self {
        let logical = self.0.logical_block_size;
        self.0.physical_block_size = bytes.max(logical);
        self.0.io_min = bytes.max(logical);
        self.0.io_opt = if bytes > logical { bytes } else { 0 };
        self
    }

    /// Sets the mask of the bits that must be clear in a buffer's address.
    pub fn set_dma_alignment(&mut self, mask: u32) -> &mut Self {
        self.0.dma_alignment = mask;
        self
    }

    /// Sets the largest discard and the largest write-zeroes in 512-byte sectors, 0 for none, and
    /// the granularity of discard in bytes.
    pub fn set_discard(&mut self, discard: u32, write_zeroes: u32, granularity: u32) -> &mut Self {
        self.0.max_hw_discard_sectors = discard;
        self.0.max_write_zeroes_sectors = write_zeroes;
        self.0.discard_granularity = granularity;
        self
    }

    /// Disables discard.
    pub fn set_no_discard(&mut self) -> &mut Self {
        self.0.max_hw_discard_sectors = 0;
        self.0.discard_granularity = 0;
        self
    }

    /// Disables write-zeroes.
    pub fn set_no_write_zeroes(&mut self) -> &mut Self {
        self.0.max_write_zeroes_sectors = 0;
        self
    }

    /// Sets whether there is a volatile write cache, so that flushes are needed
    /// (`BLK_FEAT_WRITE_CACHE`).
    pub fn set_write_cache(&mut self, on: bool) -> &mut Self {
        self.set_feature(BLK_FEAT_WRITE_CACHE, on)
    }

    /// Sets whether a single write can bypass the write cache (`BLK_FEAT_FUA`). The block layer
    /// clears this if there is no write cache.
    pub fn set_fua(&mut self, on: bool) -> &mut Self {
        self.set_feature(BLK_FEAT_FUA, on)
    }

    /// Sets whether bios can be polled (`BLK_FEAT_POLL`), which takes queues for polled requests.
    pub fn set_poll(&mut self, on: bool) -> &mut Self {
        self.set_feature(BLK_FEAT_POLL, on)
    }

    /// Sets whether seeks are expensive (`BLK_FEAT_ROTATIONAL`).
    pub fn set_rotational(&mut self, on: bool) -> &mut Self {
        self.set_feature(bindings::BLK_FEAT_ROTATIONAL, on)
    }

    /// Requires that data is not modified while it is written (`BLK_FEAT_STABLE_WRITES`). Returns
    /// whether this was not required before; users may require it, too (`queue/stable_writes`).
    pub fn require_stable_writes(&mut self) -> bool {
        let was_off = self.0.features & BLK_FEAT_STABLE_WRITES == 0;
        self.set_feature(BLK_FEAT_STABLE_WRITES, true);
        was_off
    }

    /// Undoes [`require_stable_writes`](Self::require_stable_writes).
    pub fn release_stable_writes(&mut self) -> &mut Self {
        self.set_feature(BLK_FEAT_STABLE_WRITES, false)
    }

    fn set_feature(&mut self, feature: u32, on: bool) -> &mut Self {
        if on {
            self.0.features |= feature;
        } else {
            self.0.features &= !feature;
        }
        self
    }

    /// Sets [`set_poll`](Self::set_poll) of a new queue.
    ///
    /// # Safety
    ///
    /// Nobody else uses the queue.
    pub(super) unsafe fn init_poll(queue: *mut bindings::request_queue, on: bool) {
        // SAFETY: By the safety requirements.
        let mut limits = Self(unsafe { (*queue).limits });
        limits.set_poll(on);
        // SAFETY: By the safety requirements.
        unsafe { (*queue).limits = limits.0 };
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::queue_limits {
        &raw mut self.0
    }
}

/// A copy of a queue's limits, to be changed, with the lock that excludes other updates until the
/// copy is committed or dropped.
///
/// # Invariants
///
/// This task holds `limits_lock` of the disk's queue.
struct Started<'a, T: Operations> {
    disk: &'a Disk<T>,
    limits: QueueLimits,
    /// The task that locked the mutex must unlock it.
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> Started<'a, T> {
    fn new(disk: &'a Disk<T>) -> Self {
        let mut limits = QueueLimits::default();
        // SAFETY: The disk's queue lives as long as the disk.
        unsafe { rust_helper_queue_limits_start_update(disk.queue(), limits.as_mut_ptr()) };
        // INVARIANT: `queue_limits_start_update()` returned with the lock held.
        Self {
            disk,
            limits,
            _not_send: NotThreadSafe,
        }
    }

    fn try_new(disk: &'a Disk<T>) -> Option<Self> {
        let mut limits = QueueLimits::default();
        // SAFETY: The disk's queue lives as long as the disk.
        let started =
            unsafe { rust_helper_queue_limits_try_start_update(disk.queue(), limits.as_mut_ptr()) };
        // INVARIANT: The helper took the lock if it returned true.
        started.then(|| Self {
            disk,
            limits,
            _not_send: NotThreadSafe,
        })
    }

    fn commit(self) -> Result {
        let mut this = ManuallyDrop::new(self);
        let queue = this.disk.queue();
        // SAFETY: By the type invariants the lock is held. The call releases it, and `this` is not
        // dropped.
        to_result(unsafe { bindings::queue_limits_commit_update(queue, this.limits.as_mut_ptr()) })
    }
}

impl<T: Operations> Drop for Started<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is held.
        unsafe { rust_helper_queue_limits_cancel_update(self.disk.queue()) };
    }
}

/// An update of a queue's limits, which excludes other updates until it is committed or dropped.
///
/// The order is always: begin, freeze the queue, commit, change what depends on the limits, thaw.
/// The caller allocates memory and calls file systems before it begins, as either may wait for this
/// disk.
pub struct LimitsUpdate<'g, 'a, T: Operations> {
    started: Started<'a, T>,
    guard: &'g mut DiskGuard<'a, T>,
}

impl<'a, T: Operations> DiskGuard<'a, T> {
    /// Begins an update with the limits as they are (`queue_limits_start_update()`). May sleep.
    pub fn update_limits(&mut self) -> LimitsUpdate<'_, 'a, T> {
        LimitsUpdate {
            started: Started::new(self.disk()),
            guard: self,
        }
    }

    /// Begins an update like [`update_limits`](Self::update_limits); `None` if another update is
    /// under way.
    pub fn try_update_limits(&mut self) -> Option<LimitsUpdate<'_, 'a, T>> {
        Some(LimitsUpdate {
            started: Started::try_new(self.disk())?,
            guard: self,
        })
    }
}

impl<'g, 'a, T: Operations> LimitsUpdate<'g, 'a, T> {
    /// The configuration, and the limits to be derived from it.
    pub fn parts(&mut self) -> (Option<&T::Config>, &mut QueueLimits) {
        (self.guard.config(), &mut self.started.limits)
    }

    /// Freezes the queue for the commit ([`DiskGuard::freeze`]), but drops the update and returns
    /// `None` if that takes longer than `timeout` jiffies.
    pub fn freeze_timeout(self, timeout: Jiffies) -> Option<FrozenUpdate<'g, 'a, T>> {
        Some(FrozenUpdate {
            frozen: self.guard.freeze_timeout(timeout)?,
            started: self.started,
        })
    }

    /// Freezes the queue like [`DiskGuard::freeze_while_progressing`]. Drops the update and returns
    /// `None` if no request ends for `step` jiffies.
    pub fn freeze_while_progressing(self, step: Jiffies) -> Option<FrozenUpdate<'g, 'a, T>> {
        Some(FrozenUpdate {
            frozen: self.guard.freeze_while_progressing(step)?,
            started: self.started,
        })
    }

    /// Commits the limits of a queue that has no configuration, and so no I/O that would need a
    /// freeze.
    ///
    /// Fails with `EBUSY` if the queue has a configuration, with `EINVAL` if the limits are
    /// invalid, and changes nothing then.
    pub fn commit_unconfigured(self) -> Result {
        match self.guard.config() {
            Some(_) => Err(EBUSY),
            None => self.started.commit(),
        }
    }
}

impl<T: Operations> Deref for LimitsUpdate<'_, '_, T> {
    type Target = QueueLimits;

    fn deref(&self) -> &QueueLimits {
        &self.started.limits
    }
}

impl<T: Operations> DerefMut for LimitsUpdate<'_, '_, T> {
    fn deref_mut(&mut self) -> &mut QueueLimits {
        &mut self.started.limits
    }
}

/// An update of the limits of a frozen queue.
pub struct FrozenUpdate<'g, 'a, T: Operations> {
    started: Started<'a, T>,
    frozen: Frozen<'g, 'a, T>,
}

impl<'g, 'a, T: Operations> FrozenUpdate<'g, 'a, T> {
    /// The configuration, and the limits to be derived from it.
    pub fn parts(&mut self) -> (Option<&T::Config>, &mut QueueLimits) {
        let (config, _) = self.frozen.parts();
        (config.map(|config| &*config), &mut self.started.limits)
    }

    /// Commits the limits; the queue is still frozen when this returns. Fails with `EINVAL`, and
    /// changes nothing, if the limits are invalid.
    pub fn commit(self) -> (Result, Frozen<'g, 'a, T>) {
        (self.started.commit(), self.frozen)
    }
}
