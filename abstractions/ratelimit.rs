// SPDX-License-Identifier: GPL-2.0

//! Rate limits for messages that users can cause.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use kernel::{bindings, prelude::*, types::Opaque};

#[allow(improper_ctypes)] // A kernel structure, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_ratelimit_default_init(rs: *mut bindings::ratelimit_state);
}

/// A `struct ratelimit_state`, for messages of one kind or about one object: 10 in 5 seconds.
///
/// # Invariants
///
/// `inner` was set up by `ratelimit_default_init()`.
#[pin_data]
pub struct RateLimit {
    #[pin]
    inner: Opaque<bindings::ratelimit_state>,
}

// SAFETY: A `struct ratelimit_state` has no ties to a task.
unsafe impl Send for RateLimit {}
// SAFETY: A `struct ratelimit_state` has a lock of its own, which `___ratelimit()` only tries.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// Creates a limit that has not counted a message yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: `ratelimit_default_init()` sets it up.
            inner <- Opaque::ffi_init(|slot: *mut bindings::ratelimit_state| {
                // SAFETY: `slot` is memory for a `struct ratelimit_state`.
                unsafe { rust_helper_ratelimit_default_init(slot) }
            }),
        })
    }

    /// Whether one more message may be logged now. If it may and messages before were suppressed,
    /// their number is logged with the name of `function`. Any context.
    ///
    /// C: `___ratelimit()`
    pub fn allows(&self, function: &CStr) -> bool {
        // SAFETY: By the type invariants `inner` was set up; the name is a NUL-terminated string.
        unsafe { bindings::___ratelimit(self.inner.get(), function.as_char_ptr()) != 0 }
    }
}
