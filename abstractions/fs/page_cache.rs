// SPDX-License-Identifier: GPL-2.0

//! Reading from a file's page cache alone.
//!
//! C header: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use super::FileExt;
use crate::abstractions::iov::BvecIter;
use core::{cmp::min, ptr::NonNull};
use kernel::{bindings, fs::File, page::PAGE_SHIFT, prelude::*};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_filemap_find_folio(
        mapping: *mut bindings::address_space,
        index: c_ulong,
    ) -> *mut bindings::folio;
    fn rust_helper_folio_put(folio: *mut bindings::folio);
    fn rust_helper_folio_pos(folio: *const bindings::folio) -> bindings::loff_t;
    fn rust_helper_folio_size(folio: *const bindings::folio) -> usize;
    fn rust_helper_folio_is_ready(folio: *const bindings::folio) -> bool;
    fn rust_helper_copy_cached_folio(
        folio: *mut bindings::folio,
        offset: usize,
        bytes: usize,
        iter: *mut bindings::iov_iter,
    ) -> usize;
    fn rust_helper_file_prev_pos(file: *mut bindings::file) -> bindings::loff_t;
    fn rust_helper_file_set_prev_pos(file: *mut bindings::file, pos: bindings::loff_t);
}

/// A folio that is in a page cache, or was when it was found.
///
/// # Invariants
///
/// `self` owns a reference to the folio.
struct CachedFolio(NonNull<bindings::folio>);

impl CachedFolio {
    /// Finds the folio that contains page `index` of the file; `None` if there is none.
    fn find(file: &File, index: u64) -> Option<Self> {
        let index = c_ulong::try_from(index).ok()?;
        // SAFETY: The mapping is valid.
        let folio = unsafe { rust_helper_filemap_find_folio(file.mapping().as_ptr(), index) };
        // INVARIANT: `filemap_get_folio()` returned the folio with a reference.
        NonNull::new(folio).map(Self)
    }

    /// The folio's position in the file, and its size, both in bytes. It is neither moved nor split
    /// while somebody holds a reference.
    fn range(&self) -> (i64, usize) {
        // SAFETY: By the type invariants `self` holds a reference to the folio.
        unsafe {
            (
                rust_helper_folio_pos(self.0.as_ptr()),
                rust_helper_folio_size(self.0.as_ptr()),
            )
        }
    }

    /// Whether the folio is up to date, and is not the one at which readahead continues.
    fn is_ready(&self) -> bool {
        // SAFETY: By the type invariants `self` holds a reference to the folio.
        unsafe { rust_helper_folio_is_ready(self.0.as_ptr()) }
    }

    /// Marks the folio as accessed.
    fn mark_accessed(&self) {
        // SAFETY: By the type invariants `self` holds a reference to the folio.
        unsafe { bindings::folio_mark_accessed(self.0.as_ptr()) };
    }

    /// Copies `bytes` bytes of the folio, from byte `offset` of it on. Returns how many were
    /// copied.
    fn copy(&self, offset: usize, bytes: usize, to: &mut BvecIter<'_>) -> usize {
        // SAFETY: By the type invariants the folio is valid; the caller's iterator is valid.
        unsafe { rust_helper_copy_cached_folio(self.0.as_ptr(), offset, bytes, to.as_mut_ptr()) }
    }
}

impl Drop for CachedFolio {
    fn drop(&mut self) {
        // SAFETY: By the type invariants `self` holds a reference to the folio.
        unsafe { rust_helper_folio_put(self.0.as_ptr()) };
    }
}

/// Copies `len` bytes of a file, from byte `pos` on, to `to`, if all of them are in its page cache
/// and readahead has nothing to do there. If it returns false, some may have been copied.
///
/// Calls neither the file system nor its device, takes no lock but those of the lists of pages, and
/// does not wait. So it may be called where a read from the file may not; but only for files that
/// are read from their page cache, without asking a server or a lower file. It leaves out the other
/// effects of a read: it does not set the access time, does not take the locks that make reads and
/// writes of the same range atomic, and reads cached data also after the file system was shut down.
/// Any context but interrupts.
pub fn copy_cached(file: &File, pos: i64, len: usize, to: &mut BvecIter<'_>) -> bool {
    let Some(end) = i64::try_from(len).ok().and_then(|len| pos.checked_add(len)) else {
        return false;
    };
    let mut pos = pos;
    // SAFETY: The file is valid.
    let last = unsafe { rust_helper_file_prev_pos(file.as_ptr()) } - 1;
    while pos < end {
        let Some(folio) = u64::try_from(pos)
            .ok()
            .and_then(|pos| CachedFolio::find(file, pos >> PAGE_SHIFT))
        else {
            return false;
        };
        // In this order: the size is read after the folio was found up to date, as read(2) does.
        if !folio.is_ready() || end > file.mapping().size() {
            return false;
        }
        let (start, size) = folio.range();
        let (Ok(offset), Ok(left)) = (usize::try_from(pos - start), usize::try_from(end - pos))
        else {
            return false;
        };
        // A visit to a folio counts as one access, however many reads it takes. (As two if this
        // function fails later, and the read is repeated.)
        if !(start..start.saturating_add(size as i64)).contains(&last) {
            folio.mark_accessed();
        }
        let bytes = min(left, size.saturating_sub(offset));
        if bytes == 0 || folio.copy(offset, bytes, to) != bytes {
            return false;
        }
        // Fits: at most `left`, which came from an `i64`.
        pos += bytes as i64;
    }
    // Readahead recognises by this whether the next read continues this one.
    //
    // SAFETY: The file is valid.
    unsafe { rust_helper_file_set_prev_pos(file.as_ptr(), end) };
    true
}
