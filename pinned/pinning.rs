// SPDX-License-Identifier: GPL-2.0

//! An attempt to pin a backing file, as other tasks see it: how far it is, how to cancel it, and
//! why the last one failed. `switch.rs` carries it out.

use super::reason::NotPinned;
use crate::abstractions::{error::ecanceled, task::check_signals};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, AtomicFlag, Relaxed},
    time::{delay::fsleep, Delta, Msecs},
};

/// Time between two checks whether to go on, in ms.
pub(super) const PAUSE_MS: Msecs = 100;

/// The state of pinning a device's file. Protected by the disk's mutex.
pub(crate) struct Status {
    /// Why the file is not pinned.
    pub(super) reason: NotPinned,
    /// A task is pinning the file; it does not hold the mutex most of the time.
    pub(super) is_pinning: bool,
}

impl Status {
    pub(crate) const fn new() -> Self {
        Self {
            reason: NotPinned::NotAsked,
            is_pinning: false,
        }
    }

    pub(crate) fn reason(&self) -> NotPinned {
        self.reason
    }
}

/// An attempt to pin the backing file of a device, for other tasks to watch and to cancel. There is
/// one at a time ([`Status::is_pinning`]).
pub(crate) struct Pinning {
    /// Relaxed: it only ends an attempt early. The last check before the file is pinned is made
    /// under the disk's mutex, as the changes are that cancel.
    is_cancelled: AtomicFlag,
    /// How much of the file, from its beginning on, has no holes, in percent. Relaxed: to be shown.
    percent: Atomic<u32>,
}

impl Pinning {
    pub(crate) const fn new() -> Self {
        Self {
            is_cancelled: AtomicFlag::new(false),
            percent: Atomic::new(0),
        }
    }

    /// Begins an attempt, which no earlier [`cancel`](Self::cancel) ends. The caller has set
    /// [`Status::is_pinning`].
    pub(super) fn begin(&self) {
        self.is_cancelled.store(false, Relaxed);
    }

    /// Ends an attempt: no task is pinning the file.
    pub(super) fn end(&self) {
        self.percent.store(0, Relaxed);
    }

    /// Makes the attempt, if there is one, end soon. A task that changes what it depends on calls
    /// this with the disk's mutex held, or where no new attempt can begin.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    /// `ECANCELED` if the attempt was cancelled, `EINTR` if its task is killed, or the system is
    /// about to be suspended.
    pub(super) fn check(&self) -> Result {
        if self.is_cancelled.load(Relaxed) {
            return Err(ecanceled());
        }
        check_signals()
    }

    /// Sleeps for `ms` milliseconds. Fails as soon as [`check`](Self::check) does.
    pub(super) fn sleep(&self, mut ms: Msecs) -> Result {
        while ms > 0 {
            self.check()?;
            let part = ms.min(PAUSE_MS);
            fsleep(Delta::from_millis(i64::from(part)));
            ms -= part;
        }
        self.check()
    }

    /// The progress of pinning in percent: 100 if the file is pinned, 0 if no task is pinning it.
    pub(crate) fn progress(&self, is_pinned: bool) -> u32 {
        match is_pinned {
            true => 100,
            false => self.percent.load(Relaxed),
        }
    }

    /// Notes that the file, of `size` bytes, has no holes before `pos`. Stays below 100: new holes
    /// may appear until the end.
    pub(super) fn set_progress(&self, pos: i64, size: i64) {
        let percent = pos.saturating_mul(100).checked_div(size).unwrap_or(0);
        self.percent
            .store(u32::try_from(percent).unwrap_or(0).min(99), Relaxed);
    }
}
