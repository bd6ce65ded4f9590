// SPDX-License-Identifier: GPL-2.0

//! The range of the disk that a request writes to, for other requests to look up.

use super::{Operations, Request};
use core::ops::Range;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

unsafe extern "C" {
    // `kernel::sync::barrier` spells it otherwise in 7.2 and 7.3.
    #[link_name = "rust_helper_full_barrier"]
    safe fn smp_mb();
}

/// The range that [`Request::announce_write`] has announced, in bytes of the disk; empty if there
/// is none. Any request may read it at any time after `init_request`.
pub(super) struct Written {
    start: Atomic<i64>,
    end: Atomic<i64>,
}

impl Written {
    pub(super) const fn new() -> Self {
        Self {
            start: Atomic::new(0),
            end: Atomic::new(0),
        }
    }

    /// Relaxed, here and in `others_write`: the full barriers in `announce_write` and
    /// `others_write` pair.
    fn set(&self, range: Range<i64>) {
        self.start.store(range.start, Relaxed);
        self.end.store(range.end, Relaxed);
    }
}

struct Search {
    range: Range<i64>,
    found: bool,
}

impl<T: Operations> Request<T> {
    fn written(&self) -> &Written {
        // SAFETY: `init_request` initialised `written`, which stays until `exit_request`.
        unsafe { &(*Self::pdu_ptr(self.as_ptr())).written }
    }

    /// Announces a write: [`others_write`](Self::others_write) of other requests finds this request
    /// from here until it ends or [`withdraw_write`](Self::withdraw_write) is called.
    ///
    /// A full barrier follows. If one task announces a write and then reads a variable, and another
    /// changes the variable and then calls `others_write`, at least one sees what the other has
    /// done. Any context.
    #[inline]
    pub fn announce_write(&self) {
        let start = self.pos();
        self.written()
            .set(start..start.saturating_add(i64::from(self.bytes())));
        smp_mb();
    }

    /// Withdraws what [`announce_write`](Self::announce_write) announced, for this request, which
    /// has not begun to write, or an earlier one in the same memory. Any context.
    #[inline]
    pub fn withdraw_write(&self) {
        self.written().set(0..0);
    }

    /// Whether a started request of the disk, including this one, has announced a write to part of
    /// `range`, in bytes of the disk. The request that is found may end at any time. One that has
    /// just been started may show what an earlier request in its memory announced, until it
    /// announces or withdraws. A full barrier precedes. Does not sleep; process context.
    pub fn others_write(&self, range: Range<i64>) -> bool {
        /// # Safety
        ///
        /// `rq` belongs to a tag set of `T`'s, and `data` points to a `Search` that nobody else
        /// uses.
        unsafe extern "C" fn look<T: Operations>(
            rq: *mut bindings::request,
            data: *mut c_void,
        ) -> bool {
            // SAFETY: By the safety requirement `data` points to a `Search` that nobody else uses.
            let search = unsafe { &mut *data.cast::<Search>() };
            // SAFETY: `init_request` initialised `written`, and the iteration keeps the request's
            // memory.
            let written = unsafe { &(*Request::<T>::pdu_ptr(rq)).written };
            search.found = written.start.load(Relaxed) < search.range.end
                && search.range.start < written.end.load(Relaxed);
            !search.found
        }

        smp_mb();
        let mut search = Search {
            range,
            found: false,
        };
        // SAFETY: The request keeps its queue in use, and with it the tags, which belong to a disk
        // of `T`'s. `look` gets a local variable that nothing else uses before the call returns.
        unsafe {
            bindings::blk_mq_tagset_busy_iter(
                (*(*self.as_ptr()).q).tag_set,
                Some(look::<T>),
                (&raw mut search).cast(),
            )
        };
        search.found
    }
}
