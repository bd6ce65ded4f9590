// SPDX-License-Identifier: GPL-2.0

//! Carries out requests that are not made of whole direct-I/O blocks of the backing file.
//!
//! Data goes through a buffer that is aligned for any file. The file is read and written in whole
//! blocks, but for an incomplete last one; a write first reads the blocks of which it has only a
//! part. `exclusion.rs` keeps other writes to the same blocks away, `pieces.rs` has the arithmetic.
//! Reads and writes may sleep: for the file, for a reserve buffer, and a write for a thaw.

use crate::{
    abstractions::{
        block::mq::{Op, Request},
        fs::{FileExt, IoMode, KiocbParams, WriteAccess},
        iov::Direction,
    },
    driver::Loop,
    exclusion::Exclusion,
    pieces::{Blocks, Piece, Transfer},
    rmw_buffer::Buffer,
};
use core::ops::Range;
use kernel::prelude::*;

/// The bytes of the device that a request covers.
pub(crate) fn bytes_of(rq: &Request<Loop>) -> Range<i64> {
    rq.pos()..rq.pos().saturating_add(i64::from(rq.bytes()))
}

/// The bytes of the device that a read-modify-write may rewrite, its data included. The range is
/// aligned in the file, so it may begin before the device.
pub(crate) fn blocks_of(rq: &Request<Loop>) -> Range<i64> {
    let (binding, bytes) = (rq.config(), bytes_of(rq));
    let offset = binding.offset;
    let in_file = bytes.start.saturating_add(offset)..bytes.end.saturating_add(offset);
    let blocks = Blocks::around(binding.dio_unit.rewritten, &in_file);
    blocks.start.saturating_sub(offset)..blocks.end.saturating_sub(offset)
}

/// The direct-I/O blocks of the request's device.
pub(crate) fn device_blocks(rq: &Request<Loop>) -> Blocks {
    let binding = rq.config();
    let sectors = match binding.pinned() {
        // A pinned file consists of whole blocks, so none of it is written through the page cache.
        Some(_) => u64::MAX,
        None => rq.disk_sectors(),
    };
    Blocks::new(binding.dio_unit.mask, sectors)
}

/// Where `range` lies in a buffer that begins with byte `start`. `EIO` if it begins before that.
fn in_buffer(start: i64, range: &Range<i64>) -> Result<Range<usize>> {
    let at = |pos: i64| usize::try_from(pos.checked_sub(start).ok_or(EIO)?).map_err(|_| EIO);
    Ok(at(range.start)?..at(range.end)?)
}

/// Reads a range of the device to the buffer, or writes it from there. The buffer begins with byte
/// `start` of the device. `EIO` if the file ends within the range.
fn transfer(
    rq: &Request<Loop>,
    buffer: &mut Buffer<'_>,
    direction: Direction,
    piece: Transfer,
    start: i64,
    range: &Range<i64>,
    access: Option<&WriteAccess<'_>>,
) -> Result {
    let binding = rq.config();
    let mut left = range.clone();
    // If the file was pinned after a read was split, a `Buffered` piece still goes by way of the
    // file system, which is right for reads.
    if let (Some(pinned), Transfer::Direct) = (binding.pinned(), piece) {
        let pos = binding.file_pos(left.start)?;
        return pinned.transfer(buffer, in_buffer(start, &left)?, direction, pos);
    }
    while left.start < left.end {
        let params = KiocbParams {
            file: binding.backing.file(),
            pos: binding.file_pos(left.start)?,
            direction,
            mode: match piece {
                Transfer::Direct => IoMode::Direct { nowait: false },
                Transfer::Buffered => IoMode::Buffered { nowait: false },
            },
            ioprio: rq.ioprio(),
        };
        match buffer.transfer(in_buffer(start, &left)?, &params, access)? {
            0 => return Err(EIO),
            done => left.start = left.start.saturating_add(i64::try_from(done)?),
        }
    }
    Ok(())
}

/// The buffer for the transfer of a range.
fn buffer_for<'a>(rq: &Request<Loop>, exclusion: &'a Exclusion, range: &Range<i64>) -> Buffer<'a> {
    let blocks = Blocks::around(rq.config().dio_unit.mask, range);
    let unit = rq.config().dio_unit.mask as usize + 1;
    exclusion
        .reserve
        .buffer(blocks.end.abs_diff(blocks.start), unit, rq.op())
}

/// Carries out a read. May sleep.
pub(crate) fn read(rq: &mut Request<Loop>, exclusion: &Exclusion) -> Result {
    let (blocks, mut left) = (device_blocks(rq), bytes_of(rq));
    let first = left.start;
    let mut buffer = buffer_for(rq, exclusion, &left);
    while !left.is_empty() {
        let Piece {
            transfer: how,
            io,
            data,
        } = blocks.next(&left, buffer.len());
        transfer(rq, &mut buffer, Direction::Dest, how, io.start, &io, None)?;
        let part = buffer.get(in_buffer(io.start, &data)?).ok_or(EIO)?;
        rq.copy_to(u32::try_from(data.start - first)?, part);
        left.start = data.end;
    }
    Ok(())
}

/// Carries out a write, for which `range` is all of its bytes; or zeroes `range` for a discard or
/// write-zeroes. No other request may write to the blocks meanwhile. May sleep.
pub(crate) fn write(rq: &Request<Loop>, exclusion: &Exclusion, range: Range<i64>) -> Result {
    let (blocks, mask) = (device_blocks(rq), rq.config().dio_unit.mask);
    let (first, mut left) = (range.start, range);
    if left.is_empty() {
        return Ok(());
    }
    // Waits for a thaw before it takes memory that others may need. In pinned mode the caller does.
    let binding = rq.config();
    let access = match binding.pinned() {
        Some(_) => None,
        None => Some(binding.backing.file().super_block().start_write()),
    };
    let mut buffer = buffer_for(rq, exclusion, &left);
    while !left.is_empty() {
        let piece = blocks.next(&left, buffer.len());
        for edge in piece.edges(mask) {
            transfer(
                rq,
                &mut buffer,
                Direction::Dest,
                piece.transfer,
                piece.io.start,
                &edge,
                None,
            )?;
        }
        let part = buffer
            .get_mut(in_buffer(piece.io.start, &piece.data)?)
            .ok_or(EIO)?;
        match rq.op() {
            Op::Write => rq.copy_from(u32::try_from(piece.data.start - first)?, part),
            _ => part.fill(0),
        }
        transfer(
            rq,
            &mut buffer,
            Direction::Source,
            piece.transfer,
            piece.io.start,
            &piece.io,
            access.as_ref(),
        )?;
        left.start = piece.data.end;
    }
    Ok(())
}
