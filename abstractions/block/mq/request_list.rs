// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out list of requests.

use super::{Operations, Request};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::bindings;

/// Owned requests, first in first out (`struct rq_list`). Allocates nothing.
///
/// # Invariants
///
/// `list` is empty, or a null-terminated chain of requests linked by `rq_next`. The list owns each
/// of them: the owning [`Request`] gave it up (`into_raw`).
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

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.list.head.is_null()
    }

    /// Adds a request at the end.
    pub fn push_back(&mut self, rq: Request<T>) {
        let rq = rq.into_raw().as_ptr();
        // SAFETY: The caller owned the request, and nobody else uses `rq_next` of a request that a
        // driver owns.
        unsafe { (*rq).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
        // INVARIANT: The chain now ends with `rq`, whose `rq_next` is null, and whose ownership
        // `into_raw` gave up.
        match self.is_empty() {
            true => self.list.head = rq,
            // SAFETY: By the type invariants `tail` is a request that the list owns.
            false => unsafe { (*self.list.tail).__bindgen_anon_1.rq_next = rq },
        }
        self.list.tail = rq;
    }

    /// The first request.
    pub fn first(&self) -> Option<&Request<T>> {
        // SAFETY: A `Request` is a transparent, non-null pointer to a request that it owns. By the
        // type invariants the list owns this request, and nobody takes it while the list is
        // borrowed.
        (!self.is_empty()).then(|| unsafe { &*(&raw const self.list.head).cast() })
    }

    /// The requests, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Request<T>> {
        let mut place: *const *mut bindings::request = &raw const self.list.head;
        core::iter::from_fn(move || {
            // SAFETY: `place` is the list's head, or `rq_next` of a request in it. By the type
            // invariants both are valid, and nobody changes the chain while the list is borrowed.
            let rq = NonNull::new(unsafe { *place })?;
            // SAFETY: A `Request` is a transparent, non-null pointer to a request that it owns; the
            // list owns this one.
            let item = unsafe { &*place.cast::<Request<T>>() };
            // SAFETY: By the type invariants the request is valid.
            place = unsafe { &raw const (*rq.as_ptr()).__bindgen_anon_1.rq_next };
            Some(item)
        })
    }

    /// Takes the first request if there is one and `f` returns true for it.
    pub fn pop_front_if(&mut self, f: impl FnOnce(&Request<T>) -> bool) -> Option<Request<T>> {
        self.first().is_some_and(f).then(|| self.pop_front())?
    }

    /// Takes the first request.
    pub fn pop_front(&mut self) -> Option<Request<T>> {
        // SAFETY: By the type invariants `list` is a chain of requests, which only `self` uses.
        let rq = unsafe { pop(&mut self.list) }?;
        // SAFETY: The list owned the request, and `pop` removed it.
        Some(unsafe { Request::from_raw(rq) })
    }
}

/// Removes the first request from a list (`rq_list_pop()`).
///
/// Leaves the request's `queuelist` uninitialised, which shares memory with `rq_next`: the block
/// layer reads it only after it has put the request on a list, or after `mq_flush_data_end_io()`
/// has initialised it.
///
/// # Safety
///
/// `list` is empty, or a null-terminated chain of requests linked by `rq_next`, which nobody else
/// uses.
#[inline]
pub(super) unsafe fn pop(list: &mut bindings::rq_list) -> Option<NonNull<bindings::request>> {
    let rq = NonNull::new(list.head)?;
    // SAFETY: By the safety requirement `rq` is a valid request that nobody else uses.
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
