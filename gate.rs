// SPDX-License-Identifier: GPL-2.0

//! Has writes wait for long, in work of their own, while reads go on.
//!
//! A frozen queue would have all wait, and what it waits for must then not depend on the device. Here only
//! those wait who came to the gate.

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
pub(crate) struct Gate {
    /// Held while the gate is closed.
    #[pin]
    lock: Mutex<()>,
    closed: Atomic<bool>,
}

impl Gate {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_mutex!((), "loop_gate"),
            closed: Atomic::new(false),
        })
    }

    /// Closes the gate of a queue that is frozen: nobody waits at it, and no write is on its way that has
    /// not seen it. `None` if it is closed.
    ///
    /// Until it is open again the queue must not be frozen with the disk's mutex held, which whoever opens it may
    /// need: who freezes it [waits](Self::wait_killable) without the mutex first.
    pub(crate) fn close(&self, _frozen: &Frozen<'_, '_, Loop>) -> Option<ClosedGate<'_>> {
        let lock = self.lock.try_lock()?;
        self.closed.store(true, Release);
        Some(ClosedGate {
            gate: self,
            _lock: lock,
        })
    }

    /// Whether writes have to wait. Who sees it open again sees what was done while it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Waits until it is open.
    pub(crate) fn wait(&self) {
        if self.is_closed() {
            drop(self.lock.lock());
        }
    }

    /// The same; `EINTR` if the task is killed while it waits.
    pub(crate) fn wait_killable(&self) -> Result {
        if self.is_closed() {
            drop(self.lock.lock_killable()?);
        }
        Ok(())
    }
}

/// A gate that is closed as long as this exists.
pub(crate) struct ClosedGate<'a> {
    gate: &'a Gate,
    _lock: MutexGuard<'a, ()>,
}

impl Drop for ClosedGate<'_> {
    fn drop(&mut self) {
        self.gate.closed.store(false, Release);
    }
}
