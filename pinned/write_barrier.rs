// SPDX-License-Identifier: GPL-2.0

//! Blocks writes, while reads continue, for longer than a queue may be frozen.
//!
//! A frozen queue blocks every request, so the task that froze it must not wait for anything that
//! depends on the device. Here only writes wait, each in a work item that may block.

use crate::{
    abstractions::{block::disk::Frozen, sync::WaitFlag},
    driver::Loop,
};
use kernel::prelude::*;

/// See the head of the file.
pub(crate) struct WriteBarrier {
    is_blocking: WaitFlag,
}

impl WriteBarrier {
    pub(crate) const fn new() -> Self {
        Self {
            is_blocking: WaitFlag::cleared(),
        }
    }

    /// Blocks writes of a queue that is frozen, so every later write sees it ([`Frozen::parts`]
    /// says why), and none is in flight. `None` if writes are blocked already.
    ///
    /// While writes are blocked the queue must not be frozen with the disk's mutex held, since the
    /// task that blocks writes may need the mutex to end that: a task that freezes the queue calls
    /// [`wait_killable`](Self::wait_killable) without the mutex first.
    pub(crate) fn block(&self, _frozen: &Frozen<'_, '_, Loop>) -> Option<WritesBlocked<'_>> {
        match self.is_blocking.try_set() {
            true => Some(WritesBlocked { barrier: self }),
            false => None,
        }
    }

    /// Whether writes are blocked. A task that sees `false` after `true` sees everything that was
    /// done in between.
    pub(crate) fn is_blocking(&self) -> bool {
        self.is_blocking.is_set()
    }

    /// Waits until writes are allowed.
    pub(crate) fn wait(&self) {
        self.is_blocking.wait();
    }

    /// Waits until writes are allowed; `EINTR` if the task is killed while it waits.
    pub(crate) fn wait_killable(&self) -> Result {
        self.is_blocking.wait_killable()
    }
}

/// Writes are blocked as long as this exists.
pub(crate) struct WritesBlocked<'a> {
    barrier: &'a WriteBarrier,
}

impl Drop for WritesBlocked<'_> {
    fn drop(&mut self) {
        self.barrier.is_blocking.clear();
    }
}
