// SPDX-License-Identifier: GPL-2.0

//! The holes of a file.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{swap_file::has_other_writers, FileExt};
use crate::abstractions::task::{cond_resched, fatal_signal_pending};
use core::ops::Range;
use kernel::{bindings, error::to_result, fs::File, prelude::*, sync::aref::ARef};

/// How much is zeroed at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// Finds holes, and fills them. Whether ranges that are allocated, but were not written, count as holes is for
/// the file system to say; most count them, unless there are pages of them in the page cache.
pub struct Holes {
    /// Seeking moves the position, so this is not the caller's.
    file: ARef<File>,
}

impl Holes {
    /// Opens a file once more, for reading. May sleep.
    pub fn of(file: &File) -> Result<Self> {
        Ok(Self {
            file: file.reopen()?,
        })
    }

    fn seek(&self, pos: i64, whence: u32) -> Result<Option<i64>> {
        // SAFETY: The file is valid.
        let pos = unsafe { bindings::vfs_llseek(self.file.as_ptr(), pos, whence as c_int) };
        if pos >= 0 {
            return Ok(Some(pos));
        }
        match to_result(c_int::try_from(pos)?) {
            // There is no more of it.
            Err(e) if e == ENXIO => Ok(None),
            Err(e) => Err(e),
            Ok(()) => Err(EIO),
        }
    }

    /// The first hole at or behind byte `pos`, but not the one behind the end. May sleep.
    pub fn next(&self, pos: i64) -> Result<Option<Range<i64>>> {
        let size = self.file.cached_size();
        match self.seek(pos, bindings::SEEK_HOLE)? {
            Some(start) if start < size => {
                let end = self.seek(start, bindings::SEEK_DATA)?.unwrap_or(size);
                Ok(Some(start..core::cmp::min(end, size)))
            }
            _ => Ok(None),
        }
    }

    /// Writes zeroes to all of them, by way of `to`, the same file open for writing. May sleep.
    ///
    /// Fails with `EBUSY` as soon as somebody else has the file open for writing, with `EINTR` if the task is
    /// killed, and as a write does; what was filled by then stays so. Nobody can be kept from opening it, but what
    /// he wrote is lost only if he did all that in the moment between a last look and the write of a chunk. Who
    /// shares `to` itself, or has mapped it, is not seen.
    pub fn fill(&self, to: &File) -> Result {
        let zeroes = KVVec::from_elem(0u8, CHUNK, GFP_KERNEL)?;
        // Pages of ranges that were not written would pass for data, where somebody has read them.
        to.write_dirty()?;
        // SAFETY: The file is valid, and keeps its mapping.
        unsafe { bindings::invalidate_inode_pages2((*to.as_ptr()).f_mapping) };
        let mut pos = 0;
        // What was a hole a chunk ago may have been written since.
        while let Some(hole) = self.next(pos)? {
            if has_other_writers(to) {
                return Err(EBUSY);
            }
            if fatal_signal_pending() {
                return Err(EINTR);
            }
            pos = hole.start;
            let len = usize::try_from(hole.end - pos)?.min(zeroes.len());
            if len == 0 {
                // It has become data between the two questions, for which it is enough to read it.
                cond_resched();
                continue;
            }
            // SAFETY: The file is valid; it is written from `len` bytes of the buffer.
            let done = unsafe {
                bindings::kernel_write(to.as_ptr(), zeroes.as_ptr().cast(), len, &raw mut pos)
            };
            if done <= 0 {
                to_result(c_int::try_from(done)?)?;
                return Err(EIO);
            }
        }
        Ok(())
    }
}
