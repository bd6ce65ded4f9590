// SPDX-License-Identifier: GPL-2.0

//! Requests that the block layer passes to `queue_rqs` together.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{request_list::pop, Operations, Request};
use core::marker::PhantomData;
use kernel::{bindings, types::NotThreadSafe};

/// Requests of one queue, possibly of several hardware queues, which the driver takes one by one.
/// The block layer passes each request left here to [`Operations::queue_rq`].
///
/// # Invariants
///
/// `rqs` is the list that blk-mq passed to `queue_rqs`, which has not returned, of a queue that
/// belongs to an `OwnedDisk<T>`. No request in it was started.
pub struct RequestBatch<'a, T: Operations> {
    rqs: &'a mut bindings::rq_list,
    _p: PhantomData<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> RequestBatch<'a, T> {
    /// # Safety
    ///
    /// The type invariants hold for `rqs`.
    pub(super) unsafe fn new(rqs: &'a mut bindings::rq_list) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            rqs,
            _p: PhantomData,
            _not_send: NotThreadSafe,
        }
    }
}

impl<T: Operations> Iterator for RequestBatch<'_, T> {
    type Item = Request<T>;

    /// Takes the next request out of the list and starts it. Skips one that `Request::start`
    /// ended.
    fn next(&mut self) -> Option<Request<T>> {
        loop {
            // SAFETY: By the type invariants blk-mq passed the list to `queue_rqs`, which alone
            // uses it until it returns.
            let rq = unsafe { pop(self.rqs) }?;
            // SAFETY: By the type invariants the request belongs to a queue of an `OwnedDisk<T>`
            // and was not started. `pop` took it out of the list, so nobody else starts it.
            if let Some(rq) = unsafe { Request::start(rq) } {
                return Some(rq);
            }
        }
    }
}
