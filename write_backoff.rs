// SPDX-License-Identifier: GPL-2.0

//! When direct writes to a file are tried without waiting.

use kernel::sync::atomic::{Atomic, Relaxed};

/// After a nowait write that would have blocked, this many writes are not tried: far more than a
/// queue holds, all of which may have been tried before the first failure shows.
const SKIPPED_WRITES: u32 = 1024;

/// Remembers that nowait direct writes to a file would have blocked, so that the next ones are not
/// tried.
///
/// A nowait write that fails midway costs more than one that may block from the start. In a sparse
/// file, where blocks have to be allocated, write after write fails. So the writes after a failure
/// are not tried. Where two tasks race, a write may be tried too early or too late, which does no
/// harm; so `Relaxed` is enough.
pub(crate) struct WriteBackoff {
    skip: Atomic<u32>,
}

impl WriteBackoff {
    pub(crate) const fn new() -> Self {
        Self {
            skip: Atomic::new(0),
        }
    }

    /// Whether to try the next write.
    pub(crate) fn should_try(&self) -> bool {
        self.skip.load(Relaxed) == 0
    }

    /// Counts a write that was not tried.
    pub(crate) fn skipped(&self) {
        if let Some(left) = self.skip.load(Relaxed).checked_sub(1) {
            self.skip.store(left, Relaxed);
        }
    }

    /// Notes that a nowait write would have blocked.
    pub(crate) fn would_block(&self) {
        self.skip.store(SKIPPED_WRITES, Relaxed);
    }
}
