// SPDX-License-Identifier: GPL-2.0

//! Polling of requests that were remapped to another block device.
//!
//! A task that polls a hardware queue polls the bios that the queue's requests were remapped to.
//! Other requests complete without polling.

use super::{Operations, Request};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        rcu,
    },
    types::Opaque,
};

/// How many requests of a disk are remapped to polled bios, which end only when a task polls them.
///
/// All hardware queues share the tags. Polled bios must not occupy all of them, or other requests
/// would wait for a task that polls, or for ever.
pub(in super::super) struct PolledCount(Atomic<i32>);

impl PolledCount {
    pub(in super::super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts one more, unless that would leave less than a quarter of the disk's requests to
    /// others. [`put`](Self::put) undoes it.
    pub(super) fn try_get(&self, requests: u32) -> bool {
        // Relaxed throughout: the counter stands for itself.
        let count = self.0.fetch_add(1, Relaxed);
        let limit = requests - requests.div_ceil(4);
        let is_below = u32::try_from(count).is_ok_and(|count| count < limit);
        if !is_below {
            self.put();
        }
        is_below
    }

    pub(super) fn put(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Whether a request was remapped to a bio that completes only when it is polled (`REQ_POLLED`).
pub(super) struct Polled(Atomic<bool>);

impl Polled {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(false))
    }

    /// Called after the bio is set up and before it is submitted.
    pub(super) fn set(&self) {
        // Release: pairs with the acquire in `poll_request`.
        self.0.store(true, Release);
    }

    /// Called after the bio has ended and before the request ends. Returns whether it was set.
    pub(super) fn clear(&self) -> bool {
        // Relaxed: the task that submitted the bio set it before. The full barrier in `leave`
        // follows. A task that still reads true in its RCU section holds off the grace period that
        // precedes the release of the bio's device.
        let was_set = self.0.load(Relaxed);
        if was_set {
            self.0.store(false, Relaxed);
        }
        was_set
    }
}

/// A call of [`poll`].
struct Poll {
    hctx: *mut bindings::blk_mq_hw_ctx,
    iob: *mut bindings::io_comp_batch,
    /// The last result of `bio_poll()`; negative if no bio was polled.
    found: c_int,
}

/// Polls the bios that a hardware queue's requests were remapped to, up to the first one that finds
/// completions. Returns how many it found. A negative result says that no bio was polled, which
/// keeps blk-mq from spinning.
///
/// Iterates over all requests of the tag set, which is cheap enough as few tasks poll.
///
/// # Safety
///
/// Called by blk-mq only, as the `poll` operation of a queue that belongs to an `OwnedDisk<T>`.
pub(super) unsafe extern "C" fn poll<T: Operations>(
    hctx: *mut bindings::blk_mq_hw_ctx,
    iob: *mut bindings::io_comp_batch,
) -> c_int {
    if hctx.is_null() {
        // A bio's cookie of before the disk got fewer queues.
        return -1;
    }
    let mut poll = Poll {
        hctx,
        iob,
        found: -1,
    };
    // SAFETY: The caller holds `q_usage_counter` (`bio_poll()`, `blk_rq_poll()`), which keeps the
    // queue's tag set. `poll_request` uses `poll` only before this call returns.
    unsafe {
        bindings::blk_mq_tagset_busy_iter(
            (*(*hctx).queue).tag_set,
            Some(poll_request::<T>),
            (&raw mut poll).cast(),
        )
    };
    poll.found
}

/// # Safety
///
/// Called by [`poll`] only. `rq` was started. It may end during the call, but its memory is not
/// reused for another request before the call returns.
unsafe extern "C" fn poll_request<T: Operations>(
    rq: *mut bindings::request,
    poll: *mut c_void,
) -> bool {
    // SAFETY: `poll` passes a pointer to its local variable, which nothing else uses during the
    // iteration.
    let poll = unsafe { &mut *poll.cast::<Poll>() };
    // SAFETY: By the safety requirements `rq` stays valid. `mq_hctx` is set when the request is
    // allocated, and stays until it is freed.
    if unsafe { (*rq).mq_hctx } != poll.hctx {
        return true;
    }
    let _rcu = rcu::read_lock();
    let pdu = Request::<T>::pdu_ptr(rq);
    // Acquire: pairs with the release in `set`. The bio is seen as it was set up.
    //
    // SAFETY: `init_request` initialised `polled`, which lives as long as the request's memory.
    if !unsafe { &(*pdu).polled }.0.load(Acquire) {
        return true;
    }
    // `bio_poll()` flushes the current task's plug, which is empty here: the `bio_poll()` that
    // called `poll` has flushed it.
    //
    // SAFETY: The bio was submitted, or is about to be. It may end, but is not set up again before
    // this returns: a request is polled once (`was_polled`), and blk-mq holds a reference to
    // this one. The bio's device was still in use when `polled` was read, so it is freed only after
    // a grace period, which the RCU read lock holds off. `bi_cookie` is a queue of that device, or
    // none: it never holds a number of segments, as the device has no zone write plugging
    // (`BlockDevice::can_poll`).
    poll.found = unsafe {
        bindings::bio_poll(
            Opaque::cast_into(&raw const (*pdu).bio),
            poll.iob,
            bindings::BLK_POLL_ONESHOT,
        )
    };
    poll.found <= 0
}
