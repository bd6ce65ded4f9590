// SPDX-License-Identifier: GPL-2.0

//! Blocks writes for a long time while reads continue.
//!
//! A frozen queue blocks every request, so the task that froze it must not wait for anything that depends on the
//! device. Here only writes wait, each in a work item that may block.

use crate::{
    abstractions::{block::disk::Frozen, sync::LockKillable},
    driver::Loop,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Mutex, MutexGuard,
    },
};

/// See the head of the file.
#[pin_data]
pub(crate) struct WriteBarrier {
    /// Held while writes are blocked.
    #[pin]
    lock: Mutex<()>,
    is_blocking: Atomic<bool>,
}

impl WriteBarrier {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_mutex!((), "loop_write_barrier"),
            is_blocking: Atomic::new(false),
        })
    }

    /// Blocks writes of a queue that is frozen: no write is on its way that has not seen it. `None` if writes are
    /// blocked already.
    ///
    /// While writes are blocked the queue must not be frozen with the disk's mutex held, since the task that blocks
    /// writes may need the mutex to end that: a task that freezes the queue calls
    /// [`wait_killable`](Self::wait_killable) without the mutex first.
    pub(crate) fn block(&self, _frozen: &Frozen<'_, '_, Loop>) -> Option<WritesBlocked<'_>> {
        let lock = self.lock.try_lock()?;
        self.is_blocking.store(true, Release);
        Some(WritesBlocked {
            barrier: self,
            _lock: lock,
        })
    }

    /// Whether writes are blocked. A task that sees `false` after `true` sees everything that was done in between.
    pub(crate) fn is_blocking(&self) -> bool {
        self.is_blocking.load(Acquire)
    }

    /// Waits until writes are allowed.
    pub(crate) fn wait(&self) {
        if self.is_blocking() {
            drop(self.lock.lock());
        }
    }

    /// Waits until writes are allowed; `EINTR` if the task is killed while it waits.
    pub(crate) fn wait_killable(&self) -> Result {
        if self.is_blocking() {
            drop(self.lock.lock_killable()?);
        }
        Ok(())
    }
}

/// Writes are blocked as long as this exists.
pub(crate) struct WritesBlocked<'a> {
    barrier: &'a WriteBarrier,
    _lock: MutexGuard<'a, ()>,
}

impl Drop for WritesBlocked<'_> {
    fn drop(&mut self) {
        self.barrier.is_blocking.store(false, Release);
    }
}
