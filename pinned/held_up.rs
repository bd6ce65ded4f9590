// SPDX-License-Identifier: GPL-2.0

//! Blocks writes for an attempt to pin, which itself may write to the file then.
//!
//! To block writes takes a frozen queue, and a freeze waits for requests in flight while all others
//! are held up. [`Patience`] says for how long, and how often.

use super::{
    pinning::{Pinning, PAUSE_MS},
    reason::NotPinned,
    write_barrier::WritesBlocked,
};
use crate::{
    abstractions::{
        block::disk::Disk,
        fs::{FileExt, WriteAccess},
    },
    device::Phase,
    driver::Loop,
};
use kernel::{
    fs::File,
    prelude::*,
    time::{msecs_to_jiffies, Instant, Monotonic, Msecs},
};

/// Timeout in ms of the first freeze and of all others: freezing also waits for a grace period of
/// RCU, which may be long in itself.
pub(super) const FREEZE_MS: (Msecs, Msecs) = (200, 400);
/// How many freezes in a row may time out.
const MAX_TRIES: u32 = 32;

/// How long, and how often, a freeze may hold up all I/O for requests in flight.
pub(super) struct Patience {
    tries: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { tries: 0 }
    }

    /// The timeout of the next freeze.
    pub(super) fn ms(&self) -> Msecs {
        match self.tries {
            0 => FREEZE_MS.0,
            _ => FREEZE_MS.1,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.tries >= MAX_TRIES
    }

    /// Waits after a freeze that timed out, since a request in flight hangs: all others continue
    /// for as long as they were held up. Fails as [`Pinning::check`] does.
    pub(super) fn pause(&mut self, pinning: &Pinning) -> Result {
        let ms = self.ms();
        self.tries = self.tries.saturating_add(1);
        pinning.sleep(ms)
    }
}

/// While this exists, no write is in flight, and the file system is not frozen.
pub(super) struct HeldUp<'a> {
    pub(super) file: &'a File,
    pub(super) access: WriteAccess<'a>,
    /// How long blocking writes took, in milliseconds.
    pub(super) took: i64,
    _blocked: WritesBlocked<'a>,
}

impl<'a> HeldUp<'a> {
    /// Blocks writes while the file system is not frozen. May sleep; holds the disk's mutex for one
    /// freeze at a time. `ETIMEDOUT` if freezing times out too often.
    pub(super) fn begin(
        disk: &'a Disk<Loop>,
        file: &'a File,
        patience: &mut Patience,
    ) -> Result<Self, NotPinned> {
        let pinning = &disk.data().pinning;
        loop {
            pinning.check().map_err(NotPinned::from_fill)?;
            // While the file system is frozen, the queue cannot be: writes in flight wait for the
            // thaw. The access is dropped before the queue is frozen: a freeze that begins
            // meanwhile waits for the access, and writes in flight wait for the end of that freeze.
            let Some(access) = file.super_block().try_start_write() else {
                pinning.sleep(PAUSE_MS).map_err(NotPinned::from_fill)?;
                continue;
            };
            drop(access);
            if let Some(this) = Self::try_begin(disk, file, patience.ms())? {
                // The next call begins with all its tries.
                *patience = Patience::new();
                return Ok(this);
            }
            if patience.is_over() {
                return Err(NotPinned::Error(ETIMEDOUT));
            }
            patience.pause(pinning).map_err(NotPinned::from_fill)?;
        }
    }

    /// Tries once to block writes. `None` if requests in flight take longer than `patience`
    /// milliseconds, or the file system is frozen.
    fn try_begin(
        disk: &'a Disk<Loop>,
        file: &'a File,
        patience: Msecs,
    ) -> Result<Option<Self>, NotPinned> {
        let began = Instant::<Monotonic>::now();
        let blocked = {
            let mut guard = disk.lock_killable().map_err(NotPinned::Error)?;
            if disk.data().phase() != Phase::Bound {
                return Err(NotPinned::Changed);
            }
            disk.data().pinning.check().map_err(NotPinned::from_fill)?;
            let Some(frozen) = guard.freeze_timeout(msecs_to_jiffies(patience)) else {
                return Ok(None);
            };
            disk.data().write_barrier.block(&frozen)
        };
        let (Some(blocked), Some(access)) = (blocked, file.super_block().try_start_write()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            file,
            access,
            took: began.elapsed().as_millis(),
            _blocked: blocked,
        }))
    }
}
