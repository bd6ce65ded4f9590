// SPDX-License-Identifier: GPL-2.0

//! Polling for requests that were passed on to another block device.
//!
//! Who polls for a request of a hardware queue has the bios polled for that its requests were passed on as.
//! What went another way ends by itself.

use super::{Operations, Request};
use core::ptr::null_mut;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed, Release},
        rcu,
    },
};

/// The bio that a request was passed on as, if it ends only when somebody polls for it.
///
/// The bio comes from a `bio_set` with a cache for each CPU, whose memory may become another bio at any time, but
/// nothing else within an RCU grace period (`SLAB_TYPESAFE_BY_RCU`).
pub(super) struct Polled(Atomic<*mut bindings::bio>);

impl Polled {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(null_mut()))
    }

    /// To be called before the bio is submitted.
    pub(super) fn set(&self, bio: *mut bindings::bio) {
        // Who sees the pointer has to see what the bio was set up with. For him the address dependency is enough.
        self.0.store(bio, Release);
    }

    /// To be called before the bio is put.
    pub(super) fn clear(&self) {
        self.0.store(null_mut(), Relaxed);
    }
}

/// A call of [`poll`].
struct Poll {
    hctx: *mut bindings::blk_mq_hw_ctx,
    iob: *mut bindings::io_comp_batch,
    /// What the device below said last, below 0 if there was none to ask.
    found: c_int,
}

/// Looks for completions of what a hardware queue's requests were passed on as; returns how many it found at the
/// first place where there are some. Below 0 where nothing is to be polled for: who waits had better not spin.
///
/// It goes through all requests of the tag set; those who poll are few.
///
/// # Safety
///
/// Called by blk-mq only, as the `poll` of a queue that belongs to an `OwnedDisk<T>`.
pub(super) unsafe extern "C" fn poll<T: Operations>(
    hctx: *mut bindings::blk_mq_hw_ctx,
    iob: *mut bindings::io_comp_batch,
) -> c_int {
    let mut poll = Poll {
        hctx,
        iob,
        found: -1,
    };
    // SAFETY: The queue is in use as long as it is polled, and so it has its tag set. `poll` is used only before
    // this returns.
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
/// Called by [`poll`] only. `rq` was started, and its memory is not given to another request before this returns;
/// but it may end.
unsafe extern "C" fn poll_request<T: Operations>(
    rq: *mut bindings::request,
    poll: *mut c_void,
) -> bool {
    // SAFETY: `poll` passes it.
    let poll = unsafe { &mut *poll.cast::<Poll>() };
    // SAFETY: By the safety requirements. It was set when the request got its tag, which it has until this returns.
    if unsafe { (*rq).mq_hctx } != poll.hctx {
        return true;
    }
    let _rcu = rcu::read_lock();
    // SAFETY: As above; `init_request` set it up.
    let bio = unsafe { &(*Request::<T>::pdu_ptr(rq)).polled }
        .0
        .load(Relaxed);
    if bio.is_null() {
        return true;
    }
    // Whoever polls for the request has flushed his plug, or this would do so.
    //
    // SAFETY: The bio had not been put when the pointer was read, so what is there now is it, or another one, in
    // whatever state. `bio_poll()` takes that, and finds the device of either, which is released only after
    // a grace period (see `iocb_bio_iopoll()`). It reads the queue's number before the device: the next bio from the
    // same set goes to the same device. One that the slab has given to another set meanwhile is what
    // `iocb_bio_iopoll()` does not rule out either.
    poll.found = unsafe { bindings::bio_poll(bio, poll.iob, bindings::BLK_POLL_ONESHOT) };
    poll.found <= 0
}
