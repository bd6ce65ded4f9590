// SPDX-License-Identifier: GPL-2.0

//! Splits a request into pieces of whole blocks, where direct I/O on the backing file takes larger
//! blocks than the device's.
//!
//! All of this is arithmetic on bytes of the device, whose start is aligned to a block of the file
//! ([`Blocks::around`] takes bytes of the file, too).
//! The host tests cover it (`tests/host/test_pieces.rs`).
//!
//! The last block of the device may be incomplete, since the device's size is a multiple of 512
//! bytes only. Writing all of it would extend the file, or overwrite what lies behind a size limit.
//! So a request's sectors in that block, and nothing else, go through the page cache, and direct
//! I/O is never done there.

use core::{cmp::min, ops::Range};

/// The blocks of a device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// The size of a block less one, in bytes.
    mask: i64,
    /// The end of the last whole block, in bytes.
    whole_end: i64,
}

/// How a piece is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Past the page cache, in whole blocks.
    Direct,
    /// Through the page cache.
    Buffered,
}

/// A part of a request that is transferred at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) transfer: Transfer,
    /// What is read from the file, or written to it.
    pub(crate) io: Range<i64>,
    /// The request's part of `io`.
    pub(crate) data: Range<i64>,
}

impl Blocks {
    /// The blocks of a device of so many sectors of 512 bytes; a block has `mask + 1` bytes, a
    /// power of two.
    pub(crate) fn new(mask: u32, sectors: u64) -> Self {
        let mask = i64::from(mask);
        let bytes = i64::try_from(sectors.saturating_mul(512)).unwrap_or(i64::MAX);
        Self {
            mask,
            whole_end: bytes & !mask,
        }
    }

    /// The smallest range of whole blocks that contains `range`.
    pub(crate) fn around(mask: u32, range: &Range<i64>) -> Range<i64> {
        let mask = i64::from(mask);
        range.start & !mask..range.end.saturating_add(mask) & !mask
    }

    /// The whole blocks that lie in `range`; perhaps none.
    pub(crate) fn within(&self, range: &Range<i64>) -> Range<i64> {
        let start = range.start.saturating_add(self.mask) & !self.mask;
        let end = min(range.end, self.whole_end) & !self.mask;
        match start < end {
            true => start..end,
            false => start..start,
        }
    }

    /// The first piece of `left`, what is left of a request and not empty, for a buffer of `room`
    /// bytes, a multiple of a block.
    pub(crate) fn next(&self, left: &Range<i64>, room: usize) -> Piece {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        if left.start >= self.whole_end {
            let io = left.start..min(left.end, left.start.saturating_add(room));
            return Piece {
                transfer: Transfer::Buffered,
                data: io.clone(),
                io,
            };
        }
        let start = left.start & !self.mask;
        let end = left.end.saturating_add(self.mask) & !self.mask;
        let end = min(min(end, start.saturating_add(room)), self.whole_end);
        Piece {
            transfer: Transfer::Direct,
            io: start..end,
            data: left.start..min(left.end, end),
        }
    }
}

impl Piece {
    /// The blocks of which the request has only a part: at most two; unused entries are empty.
    pub(crate) fn edges(&self, mask: u32) -> [Range<i64>; 2] {
        let size = i64::from(mask) + 1;
        let (io, data) = (&self.io, &self.data);
        let has_first = self.transfer == Transfer::Direct && data.start > io.start;
        let has_last = self.transfer == Transfer::Direct && data.end < io.end;
        let first = match has_first {
            true => io.start..io.start + size,
            false => io.start..io.start,
        };
        let last = match has_last && !(has_first && io.end - io.start == size) {
            true => io.end - size..io.end,
            false => io.end..io.end,
        };
        [first, last]
    }
}
