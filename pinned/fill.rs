// SPDX-License-Identifier: GPL-2.0

//! The long parts of an attempt to pin, a piece at a time: [`write_back`] writes dirty pages, and
//! [`fill`] fills holes.

use super::{
    held_up::{HeldUp, Patience},
    pinning::PAUSE_MS,
    reason::NotPinned,
};
use crate::{
    abstractions::{
        block::disk::Disk,
        fs::Holes,
        task::{fatal_signal_pending, IoWorkerScope},
    },
    driver::Loop,
};
use core::ops::Range;
use kernel::{
    fs::File,
    prelude::*,
    time::{delay::fsleep, Delta, Instant, Monotonic},
};

/// Bytes of holes that are filled at a time.
const PIECE: i64 = 16 << 20;
/// How long filling may block writes, in ms; longer if blocking them took longer.
const PIECE_MS: i64 = 40;
/// How much [`fill_rest`] may fill just before the claim, in calls of `Holes::fill`'s `go_on`, each
/// after at most 64 KiB: the claim writes it back while writes are blocked.
const MAX_REST: u32 = 16;

/// Writes back and drops the page cache of the file, a piece at a time.
pub(super) fn write_back(disk: &Disk<Loop>, holes: &Holes) -> Result<(), NotPinned> {
    let mut pos = 0;
    while pos < holes.file_size() {
        disk.data().pinning.check().map_err(NotPinned::from_fill)?;
        let end = pos.saturating_add(4 * PIECE);
        holes.write_back(pos..end).map_err(NotPinned::from_fill)?;
        pos = end;
    }
    Ok(())
}

/// Fills holes, a piece at a time. A piece is filled in the page cache while writes are blocked,
/// and written back when they are allowed. The next piece begins when writes were allowed for as
/// long as they were blocked, but not later than [`PAUSE_MS`] after writeback.
pub(super) fn fill(
    disk: &Disk<Loop>,
    file: &File,
    holes: &Holes,
    patience: &mut Patience,
) -> Result<(), NotPinned> {
    let pinning = &disk.data().pinning;
    let mut start = 0;
    while let Some(range) = holes
        .batch(start, PIECE, || pinning.check())
        .map_err(NotPinned::from_fill)?
    {
        // The next search begins here again: a read may have made a part of the range pass for
        // data.
        start = range.start;
        let began = Instant::<Monotonic>::now();
        let end = {
            let held_up = HeldUp::begin(disk, file, patience)?;
            fill_range(&held_up, holes, range, || true)
        };
        let pause = began.elapsed().as_micros_ceil();
        let pos = end.map_err(NotPinned::from_fill)?;
        let opened = Instant::<Monotonic>::now();
        holes.write_back(start..pos).map_err(NotPinned::from_fill)?;
        pinning.set_progress(pos, holes.file_size());
        pinning.check().map_err(NotPinned::from_fill)?;
        let pause = pause.saturating_sub(opened.elapsed().as_micros_ceil());
        fsleep(Delta::from_micros(
            pause.clamp(0, i64::from(PAUSE_MS) * 1000),
        ));
    }
    Ok(())
}

/// Fills the few holes that have appeared since [`fill`] ended. False if there are more.
pub(super) fn fill_rest(held_up: &HeldUp<'_>, holes: &Holes) -> Result<bool> {
    let Some(hole) = holes.next(0)? else {
        return Ok(true);
    };
    let mut calls = 0;
    let range = hole.start..holes.file_size();
    let end = fill_range(held_up, holes, range.clone(), || {
        calls += 1;
        calls < MAX_REST
    })?;
    Ok(end == range.end)
}

/// Fills the holes in a range while `go_on` returns true, for at most [`PIECE_MS`], or as long as
/// blocking writes took if that is longer. Returns where that ended.
fn fill_range(
    held_up: &HeldUp<'_>,
    holes: &Holes,
    range: Range<i64>,
    mut go_on: impl FnMut() -> bool,
) -> Result<i64> {
    let began = Instant::<Monotonic>::now();
    // Memory reclaim in this task must not wait for writes that are blocked.
    let _scope = IoWorkerScope::enter();
    holes.fill(held_up.file, &held_up.access, range, || {
        began.elapsed().as_millis() < held_up.took.max(PIECE_MS)
            && !fatal_signal_pending()
            && go_on()
    })
}
