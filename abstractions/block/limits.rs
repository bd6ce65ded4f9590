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

/// Whether a queue can have this logical block size, in bytes (`blk_validate_block_size()`).
pub fn is_valid_block_size(bytes: u32) -> bool {
    c_is_valid_block_size(bytes)
}

/// A `struct queue_limits`. The values are checked when they are committed.
#[derive(Clone, Copy)]
pub struct QueueLimits(bindings::queue_limits);

impl QueueLimits {
    /// All zero: the block layer fills its defaults in.
    pub fn new() -> Self {
        Self(pin_init::zeroed())
    }

    /// The largest request in 512-byte sectors.
    pub fn set_max_hw_sectors(&mut self, sectors: u32) -> &mut Self {
        self.0.max_hw_sectors = sectors;
        self
    }

    /// Logical and physical block size and minimum I/O size, all in bytes; no I/O size is optimal.
    pub fn set_block_size(&mut self, bytes: u32) -> &mut Self {
        self.0.logical_block_size = bytes;
        self.0.physical_block_size = bytes;
        self.0.io_min = bytes;
        self.0.io_opt = 0;
        self
    }

    /// What suits I/O best, where that is larger than the logical block size: physical block size, minimum and optimal
    /// I/O size, all in bytes.
    pub fn set_preferred_block_size(&mut self, bytes: u32) -> &mut Self {
        let logical = self.0.logical_block_size;
        self.0.physical_block_size = bytes.max(logical);
        self.0.io_min = bytes.max(logical);
        self.0.io_opt = if bytes > logical { bytes } else { 0 };
        self
    }

    /// The mask that a buffer's address must not have bits in common with.
    pub fn set_dma_alignment(&mut self, mask: u32) -> &mut Self {
        self.0.dma_alignment = mask;
        self
    }

    /// The largest discard and the largest write-zeroes in 512-byte sectors, 0 for none; and the
    /// granularity of discard in bytes.
    pub fn set_discard(&mut self, discard: u32, write_zeroes: u32, granularity: u32) -> &mut Self {
        self.0.max_hw_discard_sectors = discard;
        self.0.max_write_zeroes_sectors = write_zeroes;
        self.0.discard_granularity = granularity;
        self
    }

    /// No discard.
    pub fn set_no_discard(&mut self) -> &mut Self {
        self.0.max_hw_discard_sectors = 0;
        self.0.discard_granularity = 0;
        self
    }

    /// No write-zeroes.
    pub fn set_no_write_zeroes(&mut self) -> &mut Self {
        self.0.max_write_zeroes_sectors = 0;
        self
    }

    /// Whether there is a volatile write cache, so that flushes are needed.
    pub fn set_write_cache(&mut self, on: bool) -> &mut Self {
        self.set_feature(BLK_FEAT_WRITE_CACHE, on)
    }

    /// Whether a single write can be asked to go past that cache. Without one the block layer clears this.
    pub fn set_fua(&mut self, on: bool) -> &mut Self {
        self.set_feature(BLK_FEAT_FUA, on)
    }

    /// Whether seeks are expensive.
    pub fn set_rotational(&mut self, on: bool) -> &mut Self {
        self.set_feature(bindings::BLK_FEAT_ROTATIONAL, on)
    }

    /// Asks those above not to modify data while it is written. Returns whether it was not asked for already:
    /// users may set this, too.
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

    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::queue_limits {
        &raw mut self.0
    }
}

/// The limits of a queue, copied to be changed, and the lock that keeps other updates out until this is committed or
/// dropped.
///
/// # Invariants
///
/// `limits_lock` of the disk's queue is held.
struct Started<'a, T: Operations> {
    disk: &'a Disk<T>,
    limits: QueueLimits,
    /// Whoever took the mutex has to release it.
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> Started<'a, T> {
    fn new(disk: &'a Disk<T>) -> Self {
        let mut limits = QueueLimits::new();
        // SAFETY: The disk's queue lives as long as the disk.
        unsafe { rust_helper_queue_limits_start_update(disk.queue(), limits.as_mut_ptr()) };
        // INVARIANT: The function above returned with the lock held.
        Self {
            disk,
            limits,
            _not_send: NotThreadSafe,
        }
    }

    fn try_new(disk: &'a Disk<T>) -> Option<Self> {
        let mut limits = QueueLimits::new();
        // SAFETY: The disk's queue lives as long as the disk.
        let started =
            unsafe { rust_helper_queue_limits_try_start_update(disk.queue(), limits.as_mut_ptr()) };
        // INVARIANT: The function above took the lock, where it returned true.
        started.then(|| Self {
            disk,
            limits,
            _not_send: NotThreadSafe,
        })
    }

    fn commit(self) -> Result {
        let mut this = ManuallyDrop::new(self);
        let queue = this.disk.queue();
        // SAFETY: By the type invariants the lock is held, and `this` does not release it again.
        to_result(unsafe { bindings::queue_limits_commit_update(queue, this.limits.as_mut_ptr()) })
    }
}

impl<T: Operations> Drop for Started<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is held.
        unsafe { rust_helper_queue_limits_cancel_update(self.disk.queue()) };
    }
}

/// An update of a queue's limits, which keeps other updates out until it is committed or dropped.
///
/// The order is always the same: begin, then freeze the queue, commit, and change what depends on the limits, before
/// the queue is thawed. The caller allocates memory and calls file systems before it begins: either may wait for this disk.
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

    /// The same, if nobody else has an update under way.
    pub fn try_update_limits(&mut self) -> Option<LimitsUpdate<'_, 'a, T>> {
        Some(LimitsUpdate {
            started: Started::try_new(self.disk())?,
            guard: self,
        })
    }
}

impl<'g, 'a, T: Operations> LimitsUpdate<'g, 'a, T> {
    /// The configuration, and the limits to be set by it.
    pub fn parts(&mut self) -> (Option<&T::Config>, &mut QueueLimits) {
        (self.guard.config(), &mut self.started.limits)
    }

    /// Freezes the queue for the commit ([`DiskGuard::freeze`]). May sleep.
    pub fn freeze(self) -> FrozenUpdate<'g, 'a, T> {
        FrozenUpdate {
            started: self.started,
            frozen: self.guard.freeze(),
        }
    }

    /// The same, but `None`, and the update is dropped, where it would take longer than so many jiffies.
    pub fn freeze_timeout(self, timeout: Jiffies) -> Option<FrozenUpdate<'g, 'a, T>> {
        Some(FrozenUpdate {
            frozen: self.guard.freeze_timeout(timeout)?,
            started: self.started,
        })
    }

    /// Makes the limits those of a queue that has no configuration, and so no I/O to be disturbed.
    ///
    /// Fails with `EBUSY` if it has one, with `EINVAL` if the limits make no sense; changes nothing then.
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

/// An update of the limits of a queue that is frozen.
pub struct FrozenUpdate<'g, 'a, T: Operations> {
    started: Started<'a, T>,
    frozen: Frozen<'g, 'a, T>,
}

impl<'g, 'a, T: Operations> FrozenUpdate<'g, 'a, T> {
    /// The configuration, and the limits to be set by it.
    pub fn parts(&mut self) -> (Option<&T::Config>, &mut QueueLimits) {
        let (config, _) = self.frozen.parts();
        (config.map(|config| &*config), &mut self.started.limits)
    }

    /// Makes the limits those of the queue, which is still frozen when this returns. Fails with `EINVAL`, and changes
    /// nothing, if they make no sense.
    pub fn commit(self) -> (Result, Frozen<'g, 'a, T>) {
        (self.started.commit(), self.frozen)
    }
}
