// SPDX-License-Identifier: GPL-2.0

//! The holes of a file.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{swap_file::has_other_writers, write::write_at, FileExt, WriteAccess};
use crate::abstractions::{error::to_count, task::cond_resched};
use core::{cmp::min, ops::Range};
use kernel::{
    bindings, error::to_result, fs::File, page::PAGE_SHIFT, prelude::*, sync::aref::ARef,
};

/// Number of bytes that are zeroed at a time.
const CHUNK: usize = 64 << 10;
/// Number of bytes of the page cache that are checked, and dropped, at a time.
const DROP: u32 = 4 << 20;

/// Finds the holes of a file, and fills them. The file system decides whether a range that is
/// allocated but unwritten counts as a hole. Most count it, unless the page cache has pages of it.
pub struct Holes {
    /// Opened for this alone, because seeking moves the position.
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
        match to_count(pos) {
            // There is none at or behind `pos`.
            Err(e) if e == ENXIO => Ok(None),
            result => result.map(Some),
        }
    }

    /// The first hole at or behind byte `pos`, except the implicit one at the end of the file. May
    /// sleep.
    pub fn next(&self, pos: i64) -> Result<Option<Range<i64>>> {
        let size = self.file.mapping().size();
        match self.seek(pos, bindings::SEEK_HOLE)? {
            Some(start) if start < size => {
                let end = self.seek(start, bindings::SEEK_DATA)?.unwrap_or(size);
                Ok(Some(start..min(end, size)))
            }
            _ => Ok(None),
        }
    }

    /// Like [`next`](Self::next), but also finds a hole whose pages were read: drops clean pages
    /// from the page cache, from byte `from` up to the hole. Misses a hole that is read again at
    /// once. Fails if `go_on` does, which is called after each piece that was dropped.
    fn next_dropping(&self, from: i64, go_on: impl Fn() -> Result) -> Result<Option<Range<i64>>> {
        let hole = self.next(from)?;
        let end = hole.as_ref().map_or(self.file_size(), |hole| hole.start);
        let (mut pos, mut was_cached) = (from, false);
        while pos < end {
            if self.file.mapping().is_cached(pos, DROP) {
                self.file.mapping().invalidate(pos, DROP);
                was_cached = true;
                go_on()?;
            }
            cond_resched();
            pos = pos.saturating_add(i64::from(DROP));
        }
        match was_cached {
            true => self.next(from),
            false => Ok(hole),
        }
    }

    /// Finds the holes to be filled next: the range from the first hole at or behind byte `pos` on
    /// that contains `bytes` bytes of holes. The last hole may continue behind the range. Finds the
    /// first one also if its pages were read: drops clean pages from the page cache up to there, as
    /// long as `go_on` returns `Ok`. May sleep.
    pub fn batch(
        &self,
        pos: i64,
        bytes: i64,
        go_on: impl Fn() -> Result,
    ) -> Result<Option<Range<i64>>> {
        let Some(first) = self.next_dropping(pos, go_on)? else {
            return Ok(None);
        };
        let (start, mut hole, mut left) = (first.start, first, bytes);
        loop {
            let len = min(hole.end - hole.start, left);
            left -= len;
            let end = hole.start + len;
            let next = match left {
                0 => None,
                _ => self.next(hole.end)?,
            };
            match next {
                Some(next) => hole = next,
                None => return Ok(Some(start..end)),
            }
        }
    }

    /// Writes zeroes to the holes in a range, to the page cache, by way of `to`, the same file open
    /// for writing. Returns where it ended: before the end of the range if `go_on`, which is called
    /// after each piece of up to 64 KiB, returned false. May sleep, but not to wait for a thaw.
    ///
    /// Fails with `EBUSY` as soon as others have the file open for writing, and as a write does;
    /// holes that were filled by then stay filled. Others cannot be kept from opening the file.
    /// Their data is lost only if they open the file and write to it between the last check and the
    /// write of a piece. A task that shares `to`, or has mapped it, is not noticed.
    pub fn fill(
        &self,
        to: &File,
        access: &WriteAccess<'_>,
        range: Range<i64>,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<i64> {
        let zeroes = KVVec::from_elem(0u8, CHUNK, GFP_KERNEL)?;
        let mut pos = range.start;
        while pos < range.end {
            // A range that was a hole a moment ago may have been written since.
            let Some(hole) = self.next(pos)? else {
                return Ok(range.end);
            };
            pos = min(hole.start, range.end);
            let len = usize::try_from(min(hole.end, range.end) - pos)?;
            if let Some(zeroes) = zeroes
                .get(..min(len, CHUNK))
                .filter(|part| !part.is_empty())
            {
                if has_other_writers(to) {
                    return Err(EBUSY);
                }
                pos += i64::try_from(write_at(to, access, pos, zeroes)?)?;
            }
            cond_resched();
            if !go_on() {
                break;
            }
        }
        Ok(pos)
    }

    /// Writes the pages of a range and drops them from the page cache: pages of unwritten ranges,
    /// which others have read, would pass for data. May sleep. Reports an error of writeback once;
    /// other open files report it, too.
    pub fn write_back(&self, range: Range<i64>) -> Result {
        if range.is_empty() {
            return Ok(());
        }
        let mapping = self.file.mapping().as_ptr();
        // SAFETY: The mapping is valid.
        unsafe {
            to_result(bindings::filemap_fdatawrite_range(
                mapping,
                range.start,
                range.end - 1,
            ))?;
            bindings::filemap_fdatawait_range_keep_errors(mapping, range.start, range.end - 1);
            bindings::invalidate_inode_pages2_range(
                mapping,
                (range.start >> PAGE_SHIFT) as c_ulong,
                ((range.end - 1) >> PAGE_SHIFT) as c_ulong,
            );
        }
        self.file.take_error()
    }

    /// The open file that is searched.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// `vfs_fsync()`. Reports an error of writeback once, as every other open file does. May sleep.
    pub fn sync(&self) -> Result {
        self.file.fsync()
    }

    /// Size of the file in bytes.
    pub fn file_size(&self) -> i64 {
        self.file.mapping().size()
    }
}
