// SPDX-License-Identifier: GPL-2.0

//! The held mutex of a disk, and what may be done to the disk while it is held: publish or take
//! away the configuration, suppress events, freeze the queue.

use super::{super::mq::Operations, Disk};
use crate::abstractions::sync::LockKillable;
use core::ops::{Deref, DerefMut};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{Full, Relaxed, Release},
        MutexGuard,
    },
    time::Jiffies,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_dev_get_uevent_suppress(dev: *mut bindings::device) -> bool;
    fn rust_helper_dev_set_uevent_suppress(dev: *mut bindings::device, val: c_int);
    fn rust_helper_blk_mq_freeze_queue(q: *mut bindings::request_queue) -> c_uint;
    fn rust_helper_blk_mq_freeze_queue_progress(
        q: *mut bindings::request_queue,
        step: c_ulong,
        memflags: *mut c_uint,
    ) -> bool;
    fn rust_helper_blk_mq_freeze_queue_timeout(
        q: *mut bindings::request_queue,
        timeout: c_ulong,
        memflags: *mut c_uint,
    ) -> bool;
    fn rust_helper_blk_mq_unfreeze_queue(q: *mut bindings::request_queue, memflags: c_uint);
}

impl<T: Operations> Disk<T> {
    /// Locks the disk's mutex. May sleep.
    pub fn lock(&self) -> DiskGuard<'_, T> {
        DiskGuard {
            disk: self,
            state: self.private().state.lock(),
        }
    }

    /// Locks the disk's mutex; `EINTR` if the task is killed while it waits. May sleep.
    pub fn lock_killable(&self) -> Result<DiskGuard<'_, T>> {
        Ok(DiskGuard {
            disk: self,
            state: self.private().state.lock_killable()?,
        })
    }

    /// Locks the disk's mutex; `None` if a task holds it.
    pub fn try_lock(&self) -> Option<DiskGuard<'_, T>> {
        Some(DiskGuard {
            disk: self,
            state: self.private().state.try_lock()?,
        })
    }
}

/// A disk whose mutex is held: access to its state, and to its configuration.
pub struct DiskGuard<'a, T: Operations> {
    disk: &'a Disk<T>,
    state: MutexGuard<'a, T::State>,
}

impl<'a, T: Operations> DiskGuard<'a, T> {
    /// The disk.
    pub fn disk(&self) -> &'a Disk<T> {
        self.disk
    }

    /// The configuration, if one is published.
    pub fn config(&self) -> Option<&T::Config> {
        // SAFETY: A function that changes the configuration, or takes it away, borrows mutably this
        // guard, or an object that borrows it.
        unsafe { self.disk.private().config().as_ref() }
    }

    /// Publishes a configuration to requests. Gives it back if there is one already.
    pub fn publish(&mut self, config: KBox<T::Config>) -> Result<(), KBox<T::Config>> {
        if self.config().is_some() {
            return Err(config);
        }
        // INVARIANT: The mutex is held, and the pointer was null.
        //
        // Release: pairs with the acquire in `Private::config`.
        self.disk
            .private()
            .config
            .store(KBox::into_raw(config), Release);
        Ok(())
    }

    /// Takes the configuration away from requests that start from now on, waits until requests that
    /// have it end, and returns it. May sleep.
    ///
    /// The restriction of [`freeze`](Self::freeze) holds.
    pub fn take_config(&mut self) -> Option<KBox<T::Config>> {
        let config = &self.disk.private().config;
        // INVARIANT: The mutex is held.
        //
        // Full: pairs with the barrier in `Request::start`. A request that is not found below finds
        // null.
        let taken = config.xchg(core::ptr::null_mut(), Full);
        if taken.is_null() {
            return None;
        }
        // Freezing waits for an RCU grace period, which is long. Most of the time no request is in
        // flight.
        if self.has_started_requests() {
            drop(self.freeze());
        }
        // SAFETY: By the invariants of `Private` the pointer comes from `KBox::into_raw`. No
        // request borrows the configuration: requests started since find null, and earlier ones
        // have ended. Other users need the mutex, which the guard that `self` borrows mutably
        // holds.
        Some(unsafe { KBox::from_raw(taken) })
    }

    /// Whether any request is in the driver's hands, or the disk's queues may be changing. May be
    /// out of date at once if false.
    pub fn has_started_requests(&self) -> bool {
        /// # Safety
        ///
        /// `data` points to a `bool` that nobody else uses.
        unsafe extern "C" fn found(_rq: *mut bindings::request, data: *mut c_void) -> bool {
            // SAFETY: By the safety requirement `data` points to a `bool` that nobody else uses.
            unsafe { *data.cast::<bool>() = true };
            // One is enough: ends the iteration.
            false
        }

        let mut any = false;
        let Some(_queues) = self.disk.private().queues.try_lock() else {
            return true;
        };
        if self.disk.is_dead() {
            // All requests have ended, and the tags may have been released.
            return any;
        }
        // SAFETY: The disk and its queue are live. So are the tags: `OwnedDisk` releases them, and
        // `QueuesGuard` changes them, with `queues` held, and the former after the disk is dead.
        // `found` gets a local variable that is not used before the call returns.
        unsafe {
            bindings::blk_mq_tagset_busy_iter(
                (*self.disk.queue()).tag_set,
                Some(found),
                (&raw mut any).cast(),
            )
        };
        any
    }

    /// Suppresses events to userspace until the result is dropped (`dev_set_uevent_suppress()`).
    pub fn suppress_uevents(&mut self) -> UeventsSuppressed<'_, 'a, T> {
        let dev = self.disk.device();
        // SAFETY: The disk is live. Its mutex, held by `self`, excludes other changes of the bit.
        let was_suppressed = unsafe { rust_helper_dev_get_uevent_suppress(dev) };
        // SAFETY: The disk is live. Its mutex, held by `self`, excludes other changes of the bit.
        unsafe { rust_helper_dev_set_uevent_suppress(dev, 1) };
        UeventsSuppressed {
            guard: self,
            was_suppressed,
        }
    }

    /// Holds back new requests, and waits for all others to end (`blk_mq_freeze_queue()`). May
    /// sleep.
    ///
    /// Must not be called by the work item of a request of this disk, even after that request has
    /// ended: the freeze may wait for a request that uses the same work item next.
    pub fn freeze(&mut self) -> Frozen<'_, 'a, T> {
        // SAFETY: By the type invariants the disk is live, and so is its queue.
        let memflags = unsafe { rust_helper_blk_mq_freeze_queue(self.disk.queue()) };
        Frozen {
            guard: self,
            memflags,
        }
    }

    /// Freezes the queue like [`freeze`](Self::freeze), but if no request ends for `step`, in
    /// jiffies, lets new requests in again and returns `None`. Where the block layer does not count
    /// requests (`queue/iostats` is off), that is a timeout.
    pub fn freeze_while_progressing(&mut self, step: Jiffies) -> Option<Frozen<'_, 'a, T>> {
        let mut memflags = 0;
        // SAFETY: By the type invariants the disk is live, and so is its queue.
        let frozen = unsafe {
            rust_helper_blk_mq_freeze_queue_progress(self.disk.queue(), step, &raw mut memflags)
        };
        frozen.then(|| Frozen {
            guard: self,
            memflags,
        })
    }

    /// Freezes the queue like [`freeze`](Self::freeze), but if that takes longer than `timeout`, in
    /// jiffies, lets new requests in again and returns `None`.
    pub fn freeze_timeout(&mut self, timeout: Jiffies) -> Option<Frozen<'_, 'a, T>> {
        let mut memflags = 0;
        // SAFETY: By the type invariants the disk is live, and so is its queue.
        let frozen = unsafe {
            rust_helper_blk_mq_freeze_queue_timeout(self.disk.queue(), timeout, &raw mut memflags)
        };
        frozen.then(|| Frozen {
            guard: self,
            memflags,
        })
    }
}

impl<T: Operations> Deref for DiskGuard<'_, T> {
    type Target = T::State;

    fn deref(&self) -> &T::State {
        &self.state
    }
}

impl<T: Operations> DerefMut for DiskGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T::State {
        &mut self.state
    }
}

/// A disk whose mutex is held, and that sends no events to userspace until this is dropped.
///
/// The mutex keeps two tasks from suppressing events at once: the first one to finish would end
/// that of the other, and the bit shares a word with others.
#[must_use = "events are sent again at once when unused"]
pub struct UeventsSuppressed<'g, 'a, T: Operations> {
    guard: &'g mut DiskGuard<'a, T>,
    was_suppressed: bool,
}

impl<'a, T: Operations> Deref for UeventsSuppressed<'_, 'a, T> {
    type Target = DiskGuard<'a, T>;

    fn deref(&self) -> &DiskGuard<'a, T> {
        self.guard
    }
}

impl<T: Operations> DerefMut for UeventsSuppressed<'_, '_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.guard
    }
}

impl<T: Operations> Drop for UeventsSuppressed<'_, '_, T> {
    fn drop(&mut self) {
        let dev = self.guard.disk.device();
        // SAFETY: The disk is live. Its mutex, held by `guard`, excludes other changes of the bit.
        unsafe { rust_helper_dev_set_uevent_suppress(dev, self.was_suppressed.into()) };
    }
}

/// A disk whose mutex is held and whose queue is frozen; thawed when dropped. Until then memory
/// allocations of the task start no I/O.
///
/// # Invariants
///
/// No request of the disk is in the driver's hands.
pub struct Frozen<'g, 'a, T: Operations> {
    guard: &'g mut DiskGuard<'a, T>,
    memflags: c_uint,
}

impl<T: Operations> Frozen<'_, '_, T> {
    /// The configuration and the state, to be changed.
    ///
    /// Requests that the block layer admits afterwards see the changes: the thaw, a release, pairs
    /// with the barrier in `Request::start`.
    pub fn parts(&mut self) -> (Option<&mut T::Config>, &mut T::State) {
        // Relaxed: the pointer changes under the mutex, which is held.
        let config = self.guard.disk.private().config.load(Relaxed);
        // SAFETY: By the type invariants no request borrows the configuration. Other users need the
        // mutex, which the guard that `self` borrows mutably holds.
        (unsafe { config.as_mut() }, &mut self.guard.state)
    }
}

impl<T: Operations> Drop for Frozen<'_, '_, T> {
    fn drop(&mut self) {
        // SAFETY: One of the `freeze` functions froze this queue, once, for `self`.
        unsafe { rust_helper_blk_mq_unfreeze_queue(self.guard.disk.queue(), self.memflags) };
    }
}
