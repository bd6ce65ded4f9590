// SPDX-License-Identifier: GPL-2.0

//! Requests that the block layer hands over together.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{request_list::pop, Operations, Request};
use core::marker::PhantomData;
use kernel::{bindings, types::NotThreadSafe};

/// Requests of one queue, perhaps of several hardware queues, which the driver takes over one by one. What
/// it leaves is handed over by [`Operations::queue_rq`].
///
/// # Invariants
///
/// `rqs` is the list that was passed to `queue_rqs` of a queue that belongs to an `OwnedDisk<T>`, which has not
/// returned. What is in it was not started.
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

    /// Takes the next request over, and starts it.
    fn next(&mut self) -> Option<Request<T>> {
        loop {
            // SAFETY: By the type invariants it is the list that was passed to `queue_rqs`, for the driver to change.
            let rq = unsafe { pop(self.rqs) }?;
            // SAFETY: By the type invariants it belongs to such a queue, was not started, and is the driver's to
            // start since it was taken out of the list.
            if let Some(rq) = unsafe { Request::start(rq) } {
                return Some(rq);
            }
        }
    }
}
