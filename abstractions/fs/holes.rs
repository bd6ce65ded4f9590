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

/// How much is zeroed at a time, in bytes.
const CHUNK: usize = 64 << 10;
/// How much is dropped from the page cache before it is looked at again, in bytes.
const DROP: u32 = 4 << 20;

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
        match to_count(pos) {
            // There is no more of it.
            Err(e) if e == ENXIO => Ok(None),
            result => result.map(Some),
        }
    }

    /// The first hole at or behind byte `pos`, but not the one behind the end. May sleep.
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

    /// The same, but also one that somebody has read: pages that are not dirty are dropped from the page cache on the
    /// way. Where they are read again at once it may still be missed.
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

    /// Finds those that are to be filled next: the range from the first one at or behind byte `pos` on, in which there
    /// are as many as hold `bytes` together, of which the last one may go on behind it. The first one is found also if
    /// somebody has read it: what is not dirty is dropped from the page cache up to there, for as long as `go_on` allows
    /// it. May sleep.
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

    /// Writes zeroes to those in a range, to the page cache, by way of `to`, the same file open for writing. Returns
    /// where it ended, which is before the end of the range if `go_on`, which is asked after each piece of some
    /// 64 KiB, said no. May sleep, not to wait for a thaw.
    ///
    /// Fails with `EBUSY` as soon as somebody else has the file open for writing, and as a write does; what was filled
    /// by then stays so. Nobody can be kept from opening it, but what he wrote is lost only if he did all that in the
    /// moment between a last look and the write of a piece. Who shares `to` itself, or has mapped it, is not seen.
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
            // What was a hole a moment ago may have been written since.
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

    /// Writes what the page cache has of a range, and drops it: pages of ranges that were not written would pass for
    /// data, where somebody has read them. May sleep. An error of writeback is told here once; others who have the file
    /// open are told as well.
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

    /// The open file that is looked at.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// `vfs_fsync()`. Errors are told here, too, to whoever has the file open. May sleep.
    pub fn sync(&self) -> Result {
        self.file.fsync()
    }

    /// The size of the file, in bytes.
    pub fn file_size(&self) -> i64 {
        self.file.mapping().size()
    }
}
