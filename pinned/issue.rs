// SPDX-License-Identifier: GPL-2.0

//! Issues requests in pinned mode. A write holds off a freeze of the file system until it ends
//! ([`WriteAccess`]).

use super::Pinned;
use crate::{
    abstractions::{
        block::{
            mq::{Op, Request},
            BioSet, ZeroMode,
        },
        fs::{FileExt, WriteAccess},
    },
    binding::Binding,
    driver::Loop,
};
use core::ops::Range;
use kernel::prelude::*;

/// Begins a write that is remapped as one bio, also one to a block device. Fails with `EAGAIN` if
/// the file system of a pinned file may not admit it: that is frozen, read-only, or has to be
/// asked. Process context.
#[inline(always)] // As `LoopCmd::submit`.
pub(crate) fn try_begin_write(rq: &mut Request<Loop>) -> Result {
    rq.begin_write(|binding| match binding.pinned() {
        Some(pinned) => pinned.try_begin_write().map(Some).ok_or(EAGAIN),
        None => {
            binding.begin_device_write();
            Ok(None)
        }
    })
}

/// Ends a write in pinned mode that is done, or is given back: marks the times, and drops the write
/// access if they are marked already. Any context.
#[inline]
pub(crate) fn end_write(rq: &mut Request<Loop>) {
    rq.end_write(end_access);
}

/// Begins a read or write, for which the caller then calls [`remap_all`]; carries out every other
/// request. Returns `None` if the file is not pinned; without `wait` also if the request has to
/// wait for more than memory, or a tag of the device below. May sleep.
pub(crate) fn begin(rq: &mut Request<Loop>, wait: bool) -> Option<Result> {
    // `remap_all()` does not set `REQ_NOWAIT`: its bios wait for tags and never fail with `EAGAIN`.
    let pinned = rq.config().pinned()?;
    Some(match rq.op() {
        Op::Read => Ok(()),
        Op::Write => match rq.begin_write(|binding| begin_access(binding, wait).map(Some)) {
            Err(e) if e == EAGAIN && !wait => return None,
            result => result,
        },
        _ if !wait => return None,
        Op::Flush => {
            let committed = rq.config().commit_times();
            pinned.flush().and(committed)
        }
        Op::Discard | Op::WriteZeroes => zero(rq),
    })
}

/// Submits a read or write that has begun. May sleep, for memory or a tag of the device below.
pub(crate) fn remap_all(rq: Request<Loop>) {
    rq.remap_all(Binding::map, bios);
}

/// The set that bios are allocated from.
fn bios(binding: &Binding) -> Option<&BioSet> {
    binding.pinned().map(Pinned::bios)
}

/// Carries out a discard or write-zeroes. May sleep, also for a thaw.
fn zero(rq: &Request<Loop>) -> Result {
    let blocks = rq.pos()..rq.pos().saturating_add(i64::from(rq.bytes()));
    write_blocks(rq, &blocks, || zero_blocks(rq, &blocks).unwrap_or(Err(EIO)))
}

/// How the device below makes the zeroes of a discard or write-zeroes.
fn zero_mode(rq: &Request<Loop>) -> ZeroMode {
    match rq.op() {
        Op::Discard => ZeroMode::MayUnmapOnly,
        _ if rq.no_unmap() || rq.discards_forbidden() => ZeroMode::KeepAllocated,
        _ => ZeroMode::MayUnmap,
    }
}

/// Zeroes whole blocks of the device below (`blocks`, in bytes of the device) for a discard or
/// write-zeroes, within [`write_blocks`]. `None` if the file is not pinned.
pub(crate) fn zero_blocks(rq: &Request<Loop>, blocks: &Range<i64>) -> Option<Result> {
    let binding = rq.config();
    let pinned = binding.pinned()?;
    let zero = || {
        let pos = blocks.start.checked_add(binding.offset).ok_or(EIO)?;
        let bytes = u32::try_from(blocks.end.saturating_sub(blocks.start))?;
        pinned.zero(pos, bytes, zero_mode(rq))
    };
    Some(zero())
}

/// Calls `write`, which writes `blocks` (in bytes of the device). In pinned mode, holds off a
/// freeze meanwhile, drops the pages that are out of date then, and makes the data of a FUA request
/// durable. May sleep, also for a thaw.
pub(crate) fn write_blocks(
    rq: &Request<Loop>,
    blocks: &Range<i64>,
    write: impl FnOnce() -> Result,
) -> Result {
    let binding = rq.config();
    let Some(pinned) = binding.pinned() else {
        return write();
    };
    let access = begin_access(binding, true)?;
    let result = write();
    end_access(binding, access);
    let pos = blocks.start.saturating_add(binding.offset);
    let bytes = u32::try_from(blocks.end.saturating_sub(blocks.start)).unwrap_or(u32::MAX);
    binding.backing.file().mapping().invalidate(pos, bytes);
    result?;
    match rq.is_fua() {
        true => {
            let committed = binding.commit_times();
            pinned.flush().and(committed)
        }
        false => Ok(()),
    }
}

/// Begins a write to the pinned file, see [`Pinned::begin_write`]. While the file system is frozen,
/// waits for the thaw if `wait` is set, else fails with `EAGAIN`. May sleep.
fn begin_access(binding: &Binding, wait: bool) -> Result<WriteAccess<'_>> {
    let pinned = binding.pinned().ok_or(EIO)?;
    match pinned.begin_write(false) {
        Err(e) if e == EAGAIN && wait => (),
        result => return result,
    }
    // The freeze may wait for the write access that `times` holds, so drop that before waiting for
    // the thaw.
    if let Some(times) = &binding.times {
        times.update();
    }
    pinned.begin_write(true)
}

/// Ends a write to the pinned file, also one that failed midway. Its access becomes the mark of the
/// times; if they are marked already, it is dropped. Any context.
#[inline]
fn end_access(binding: &Binding, access: WriteAccess<'_>) {
    // `None` on a read-only device, which refuses writes before they begin.
    if let Some(times) = &binding.times {
        // The end of the last share, or of the wait for the I/O, comes before this: a write that
        // finds the mark is older than the update that takes it.
        if !times.is_marked() {
            times.mark(access);
        }
    }
}
