// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out list of requests.

use super::{Operations, Request};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::bindings;

/// Owned requests in the order in which they came (`struct rq_list`); needs no memory.
///
/// # Invariants
///
/// `list` is empty, or a chain of requests, linked by `rq_next` and ended by null, which all were given up
/// by the [`Request`] that owned them.
pub struct RequestList<T: Operations> {
    list: bindings::rq_list,
    _p: PhantomData<T>,
}

// SAFETY: The list owns requests, which are `Send`.
unsafe impl<T: Operations> Send for RequestList<T> {}

impl<T: Operations> Default for RequestList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Operations> RequestList<T> {
    /// An empty list.
    pub const fn new() -> Self {
        // INVARIANT: It is empty.
        Self {
            list: bindings::rq_list {
                head: core::ptr::null_mut(),
                tail: core::ptr::null_mut(),
            },
            _p: PhantomData,
        }
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.list.head.is_null()
    }

    /// Adds a request at the end.
    pub fn push_back(&mut self, rq: Request<T>) {
        let rq = rq.into_raw().as_ptr();
        // SAFETY: The request was owned by the caller, and while a driver owns it nobody else uses
        // `rq_next`.
        unsafe { (*rq).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
        // INVARIANT: The chain is prolonged by `rq`, whose `rq_next` is null.
        match self.is_empty() {
            true => self.list.head = rq,
            // SAFETY: By the type invariants `tail` is a request that the list owns.
            false => unsafe { (*self.list.tail).__bindgen_anon_1.rq_next = rq },
        }
        self.list.tail = rq;
    }

    /// The first request.
    pub fn first(&self) -> Option<&Request<T>> {
        // SAFETY: A `Request` is a transparent pointer, not null, to a request that it owns. By the type
        // invariants the list owns this one, and it cannot be taken while the list is borrowed.
        (!self.is_empty()).then(|| unsafe { &*(&raw const self.list.head).cast() })
    }

    /// Takes the first request, if there is one of which `f` is true.
    pub fn pop_front_if(&mut self, f: impl FnOnce(&Request<T>) -> bool) -> Option<Request<T>> {
        self.first().is_some_and(f).then(|| self.pop_front())?
    }

    /// Takes the first request.
    pub fn pop_front(&mut self) -> Option<Request<T>> {
        // SAFETY: By the type invariants.
        let rq = unsafe { pop(&mut self.list) }?;
        // SAFETY: The list owned the request and has forgotten it above.
        Some(unsafe { Request::from_raw(rq) })
    }
}

/// Takes the first request off a list (`rq_list_pop()`). Its `queuelist`, which shares its memory with `rq_next`, is
/// not set up again: nobody in the block layer looks at that of a request before it is put on a list, or the flush
/// machinery (`mq_flush_data_end_io()`) has set it up by itself.
///
/// # Safety
///
/// `list` is empty, or a chain of requests that are linked by `rq_next`. Nobody else uses them.
#[inline]
pub(super) unsafe fn pop(list: &mut bindings::rq_list) -> Option<NonNull<bindings::request>> {
    let rq = NonNull::new(list.head)?;
    // SAFETY: By the safety requirement.
    let next = unsafe { &mut (*rq.as_ptr()).__bindgen_anon_1.rq_next };
    list.head = core::mem::replace(next, core::ptr::null_mut());
    if list.head.is_null() {
        list.tail = core::ptr::null_mut();
    }
    Some(rq)
}

impl<T: Operations> Drop for RequestList<T> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}
