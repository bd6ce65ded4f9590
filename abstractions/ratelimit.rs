// SPDX-License-Identifier: GPL-2.0

//! Keeping somebody who can have messages logged from filling the log.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use kernel::{bindings, prelude::*, types::Opaque};

#[allow(improper_ctypes)] // A kernel structure, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_ratelimit_default_init(rs: *mut bindings::ratelimit_state);
}

/// A `struct ratelimit_state`, for messages of one kind or about one thing: 10 in 5 seconds.
///
/// # Invariants
///
/// `inner` was set up by `ratelimit_default_init()`.
#[pin_data]
pub struct RateLimit {
    #[pin]
    inner: Opaque<bindings::ratelimit_state>,
}

// SAFETY: It has no ties to a task.
unsafe impl Send for RateLimit {}
// SAFETY: It has a lock of its own, which is only tried.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// Makes one with which nothing was logged yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: As said.
            inner <- Opaque::ffi_init(|slot: *mut bindings::ratelimit_state| {
                // SAFETY: `slot` is memory for it.
                unsafe { rust_helper_ratelimit_default_init(slot) }
            }),
        })
    }

    /// Whether one more message may be logged now. Where that is so after some which might not, their number is
    /// logged, with the name of `function`. Any context.
    ///
    /// C: `___ratelimit()`
    pub fn allows(&self, function: &CStr) -> bool {
        // SAFETY: By the type invariants; the name is a string.
        unsafe { bindings::___ratelimit(self.inner.get(), function.as_char_ptr()) != 0 }
    }
}
