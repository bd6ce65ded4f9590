// SPDX-License-Identifier: GPL-2.0

//! I/O vectors over pages.
//!
//! [`kernel::iov`] wraps existing vectors; this makes one from an array of `struct bio_vec`.
//!
//! C header: [`include/linux/uio.h`](srctree/include/linux/uio.h)

use core::{marker::PhantomData, mem::MaybeUninit};
use kernel::bindings;

/// The direction of the data, seen from the I/O vector.
#[derive(Clone, Copy)]
pub enum Direction {
    /// The pages are filled (`ITER_DEST`): a read.
    Dest,
    /// The pages are read (`ITER_SOURCE`): a write.
    Source,
}

/// A `struct iov_iter` over an array of `struct bio_vec`.
///
/// # Invariants
///
/// `iter` iterates over an array of `struct bio_vec`. For `'a`, the array and its pages may be used
/// as the direction says .
pub struct BvecIter<'a> {
    iter: bindings::iov_iter,
    _p: PhantomData<&'a [bindings::bio_vec]>,
}

impl BvecIter<'_> {
    /// Describes `bytes` bytes that begin `offset` bytes into the first of `nr_segs` segments
    /// (`iov_iter_bvec()`).
    ///
    /// # Safety
    ///
    /// For `'a`, `bvecs` points to `nr_segs` segments, which hold at least `offset + bytes` bytes;
    /// their pages stay in memory and may be read, or written for [`Direction::Dest`].
    pub unsafe fn new(
        direction: Direction,
        bvecs: *const bindings::bio_vec,
        nr_segs: usize,
        offset: usize,
        bytes: usize,
    ) -> Self {
        let direction = match direction {
            Direction::Dest => bindings::ITER_DEST,
            Direction::Source => bindings::ITER_SOURCE,
        };
        let mut iter = MaybeUninit::<bindings::iov_iter>::uninit();
        // SAFETY: `iter` is memory for an `iov_iter`; the rest is promised by the caller.
        let mut iter = unsafe {
            bindings::iov_iter_bvec(iter.as_mut_ptr(), direction, bvecs, nr_segs, bytes);
            iter.assume_init()
        };
        iter.iov_offset = offset;
        // INVARIANT: `iov_iter_bvec()` made it of an array that the caller promised to be valid for
        // `'a`.
        Self {
            iter,
            _p: PhantomData,
        }
    }

    /// The C object, for a function that consumes it.
    pub fn as_mut_ptr(&mut self) -> *mut bindings::iov_iter {
        &raw mut self.iter
    }
}
