// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out list of requests.

use super::{Operations, Request};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::bindings;

/// Owned requests in the order in which they came, linked through `rq_next`; needs no memory.
///
/// # Invariants
///
/// `head` and `tail` are both `None`, or the first and last of a chain of requests, linked by
/// `rq_next` and ended by null, which all were given up by the [`Request`] that owned them.
pub struct RequestList<T: Operations> {
    head: Option<NonNull<bindings::request>>,
    tail: Option<NonNull<bindings::request>>,
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
        // INVARIANT: Both are `None`.
        Self {
            head: None,
            tail: None,
            _p: PhantomData,
        }
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Adds a request at the end.
    pub fn push_back(&mut self, rq: Request<T>) {
        let rq = rq.into_raw();
        // SAFETY: The request was owned by the caller, and while a driver owns it nobody else uses
        // `rq_next`.
        unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
        // INVARIANT: The chain is prolonged by `rq`, whose `rq_next` is null.
        match self.tail {
            // SAFETY: By the type invariants `tail` is a request that the list owns.
            Some(tail) => unsafe { (*tail.as_ptr()).__bindgen_anon_1.rq_next = rq.as_ptr() },
            None => self.head = Some(rq),
        }
        self.tail = Some(rq);
    }

    /// The first request.
    pub fn first(&self) -> Option<&Request<T>> {
        let head = self.head.as_ref()?;
        // SAFETY: A `Request` is a transparent pointer to a request that it owns. By the type
        // invariants the list owns this one, and it cannot be taken while the list is borrowed.
        Some(unsafe { &*core::ptr::from_ref(head).cast() })
    }

    /// Takes the first request, if there is one of which `f` is true.
    pub fn pop_front_if(&mut self, f: impl FnOnce(&Request<T>) -> bool) -> Option<Request<T>> {
        self.first().is_some_and(f).then(|| self.pop_front())?
    }

    /// Takes the first request.
    pub fn pop_front(&mut self) -> Option<Request<T>> {
        let rq = self.head?;
        // SAFETY: By the type invariants `rq` is a request that the list owns.
        let anon = unsafe { &mut (*rq.as_ptr()).__bindgen_anon_1 };
        // SAFETY: `push_back` made `rq_next` the active field.
        let next = NonNull::new(unsafe { anon.rq_next });
        // The block layer expects an empty `queuelist`, which shares its memory with `rq_next`.
        //
        // SAFETY: `queuelist` is plain data in memory that the list owns.
        let queuelist = unsafe { &raw mut anon.queuelist };
        // SAFETY: As above.
        unsafe {
            (*queuelist).next = queuelist;
            (*queuelist).prev = queuelist;
        }
        // INVARIANT: The chain loses its first link.
        self.head = next;
        if next.is_none() {
            self.tail = None;
        }
        // SAFETY: The list owned the request and has forgotten it above.
        Some(unsafe { Request::from_raw(rq) })
    }
}

impl<T: Operations> Drop for RequestList<T> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}
