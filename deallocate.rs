// SPDX-License-Identifier: GPL-2.0

//! Discard and write-zeroes: by `fallocate` on the backing file; and what follows where that is not
//! supported.

use crate::{
    abstractions::{
        block::mq::{Op, Request},
        error::eopnotsupp,
        fs::{
            FallocateMode::{self, PunchHole, ZeroRange},
            FileExt,
        },
    },
    driver::Loop,
    unsupported::Withdraw,
};
use core::ops::Range;
use kernel::{prelude::*, sync::atomic::Relaxed};

/// Handles a discard of a pinned file that the device below does not support: keeps the failure out
/// of the log, since the submitter falls back, and withdraws discards that are not offered any
/// more.
pub(crate) fn refuse_discard(rq: &Request<Loop>) {
    rq.set_quiet();
    // While the device offers discards, the next one may succeed.
    if rq
        .config()
        .pinned()
        .is_some_and(|pinned| !pinned.has_discard())
    {
        Withdraw::enqueue(rq);
    }
}

/// The `fallocate` modes for a discard or write-zeroes, in the order to be tried.
pub(crate) fn deallocate_modes(rq: &Request<Loop>) -> &'static [FallocateMode] {
    match rq.op() {
        Op::WriteZeroes if rq.no_unmap() => &[ZeroRange],
        Op::WriteZeroes => &[PunchHole, ZeroRange],
        _ => &[PunchHole],
    }
}

/// Makes a range of the device, perhaps an empty one, read as zeroes, with the first of `modes`
/// that the file supports. May sleep.
///
/// Fails with `EOPNOTSUPP` if the file supports none, or the user has forbidden discards; a
/// submitter that needs zeroes then writes them. Fails with `EIO` for any other error.
pub(crate) fn deallocate(
    rq: &Request<Loop>,
    range: &Range<i64>,
    modes: &[FallocateMode],
) -> Result {
    let binding = rq.config();
    if rq.discards_forbidden() {
        return Err(eopnotsupp());
    }
    let pos = binding.file_pos(range.start)?;
    let len = range.end.saturating_sub(range.start);
    if len == 0 {
        return Ok(());
    }
    let mut is_new = false;
    for &mode in modes {
        let unsupported = binding.unsupported(mode);
        if unsupported.load(Relaxed) {
            continue;
        }
        match binding.backing.file().fallocate(mode, pos, len) {
            Err(e) if e == eopnotsupp() => {
                is_new |= !unsupported.xchg(true, Relaxed);
            }
            result => return result.map_err(|_| EIO),
        }
    }
    // The request was submitted before the limits were withdrawn; to log that once is enough.
    if !is_new {
        rq.set_quiet();
    }
    Withdraw::enqueue(rq);
    Err(eopnotsupp())
}
