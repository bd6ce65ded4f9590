// SPDX-License-Identifier: GPL-2.0

//! Sets that bios are allocated from.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use kernel::{bindings, error::to_result, prelude::*, types::Opaque};

/// A `struct bio_set` for bios without segments of their own, with a cache on each CPU.
///
/// # Invariants
///
/// `inner` was set up by `bioset_init()` and stays in place until it is released.
#[pin_data(PinnedDrop)]
pub struct BioSet {
    #[pin]
    inner: Opaque<bindings::bio_set>,
}

// SAFETY: Any task may allocate bios from a set, and free them; the set has no ties to a task.
unsafe impl Send for BioSet {}
// SAFETY: Several tasks may allocate and free bios at once.
unsafe impl Sync for BioSet {}

impl BioSet {
    /// Makes a set with a reserve of `reserve` bios, at least one, for callers that can wait until
    /// a bio is freed. May sleep; fails with `ENOMEM`.
    pub fn new(reserve: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: Set up by `bioset_init()`.
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::bio_set| {
                // SAFETY: `slot` is memory for a set, which `bioset_init()` expects to be zeroed.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` was zeroed above, and is pinned until `bioset_exit()`.
                to_result(unsafe {
                    bindings::bioset_init(slot, reserve.max(1), 0, bindings::BIOSET_PERCPU_CACHE as c_int)
                })
            }),
        })
    }

    /// The set itself (`struct bio_set`).
    pub(super) fn as_ptr(&self) -> *mut bindings::bio_set {
        self.inner.get()
    }
}

#[pinned_drop]
impl PinnedDrop for BioSet {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the set was set up. A user of its bios keeps the set.
        unsafe { bindings::bioset_exit(self.inner.get()) };
    }
}
