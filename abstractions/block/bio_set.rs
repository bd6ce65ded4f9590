// SPDX-License-Identifier: GPL-2.0

//! Where bios are allocated.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use kernel::{bindings, error::to_result, prelude::*, types::Opaque};

/// A `struct bio_set` for bios that share the segments of others, with a cache for each CPU.
///
/// # Invariants
///
/// `inner` was set up by `bioset_init()` and stays in place until it is released.
#[pin_data(PinnedDrop)]
pub struct BioSet {
    #[pin]
    inner: Opaque<bindings::bio_set>,
}

// SAFETY: Bios may be allocated from, and released to, a set by any task; it has no ties to one.
unsafe impl Send for BioSet {}
// SAFETY: As above.
unsafe impl Sync for BioSet {}

impl BioSet {
    /// Makes a set with a reserve of so many bios, at least one, for those who can wait until one comes back.
    /// May sleep; fails with `ENOMEM`.
    pub fn new(reserve: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: Set up by `bioset_init()`.
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::bio_set| {
                // SAFETY: `slot` is memory for a set, for which all zeroes are what
                // `bioset_init()` asks for.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: As above.
                to_result(unsafe {
                    bindings::bioset_init(slot, reserve.max(1), 0, bindings::BIOSET_PERCPU_CACHE as c_int)
                })
            }),
        })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::bio_set {
        self.inner.get()
    }
}

#[pinned_drop]
impl PinnedDrop for BioSet {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants. Whoever has a bio from the set keeps the set.
        unsafe { bindings::bioset_exit(self.inner.get()) };
    }
}
