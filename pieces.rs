// SPDX-License-Identifier: GPL-2.0

//! Which blocks a request is carried out by, where direct I/O on the backing file takes larger ones than the device's.
//!
//! Everything here is arithmetic on bytes of the device, whose first block begins with one of the file, and is tested
//! without a kernel (`tests/host/test_pieces.rs`).
//!
//! The last block of the device may be a part of one, since a size limit, or the size of the file, is a multiple of 512
//! bytes. To write all of it would make the file larger, or write what lies behind the limit. So of that block exactly
//! the sectors that a request has go through the page cache, and direct I/O is never done there.

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

/// A part of a request, that is transferred at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) transfer: Transfer,
    /// What is read from the file, or written to it.
    pub(crate) io: Range<i64>,
    /// What the request has of that.
    pub(crate) data: Range<i64>,
}

impl Blocks {
    /// Those of a device of so many sectors of 512 bytes; a block has `mask + 1` bytes, a power of two.
    pub(crate) fn new(mask: u32, sectors: u64) -> Self {
        let mask = i64::from(mask);
        let bytes = i64::try_from(sectors.saturating_mul(512)).unwrap_or(i64::MAX);
        Self {
            mask,
            whole_end: bytes & !mask,
        }
    }

    /// The blocks that have a part of a range.
    pub(crate) fn around(mask: u32, range: &Range<i64>) -> Range<i64> {
        let mask = i64::from(mask);
        range.start & !mask..range.end.saturating_add(mask) & !mask
    }

    /// The blocks that lie in a range; perhaps none.
    pub(crate) fn within(&self, range: &Range<i64>) -> Range<i64> {
        let start = range.start.saturating_add(self.mask) & !self.mask;
        let end = min(range.end, self.whole_end) & !self.mask;
        match start < end {
            true => start..end,
            false => start..start,
        }
    }

    /// The first piece of what is left of a request, which is not empty, for a buffer of `room` bytes, a multiple of a
    /// block.
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
    /// The blocks of which the request has only a part; at most two, the others are empty.
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
