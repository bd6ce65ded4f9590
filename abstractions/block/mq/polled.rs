// SPDX-License-Identifier: GPL-2.0

//! Polling for requests that were passed on to another block device.
//!
//! Who polls for a request of a hardware queue has the bios polled for that its requests were passed on as.
//! What went another way ends by itself.

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

/// Whether a request was passed on as a bio that ends only when somebody polls for it.
pub(super) struct Polled(Atomic<bool>);

impl Polled {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(false))
    }

    /// To be called when the bio was set up, before it is submitted.
    pub(super) fn set(&self) {
        self.0.store(true, Release);
    }

    /// To be called when the bio has ended, before the request does.
    pub(super) fn clear(&self) {
        self.0.store(false, Relaxed);
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
    // SAFETY: By the safety requirements. It was set when the request was allocated, and stays until it is freed.
    if unsafe { (*rq).mq_hctx } != poll.hctx {
        return true;
    }
    let _rcu = rcu::read_lock();
    let pdu = Request::<T>::pdu_ptr(rq);
    // After that the bio is seen as it was set up.
    //
    // SAFETY: As above; `init_request` set it up.
    if !unsafe { &(*pdu).polled }.0.load(Acquire) {
        return true;
    }
    // Whoever polls for the request has flushed his plug, or this would do so.
    //
    // SAFETY: The bio was submitted, or is about to be. It may end, but is not set up again before this returns: that is
    // done once for each use of the request (`was_remapped`), and blk-mq has a reference to this one. Its device had
    // not been let go when `polled` was read, and so is released only after a grace period. The number of the queue
    // in it is one of that device, or none, since nothing holds writes back there (`BlockDevice::can_poll`).
    poll.found = unsafe {
        bindings::bio_poll(
            Opaque::cast_into(&raw const (*pdu).bio),
            poll.iob,
            bindings::BLK_POLL_ONESHOT,
        )
    };
    poll.found <= 0
}
