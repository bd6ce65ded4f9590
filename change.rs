// SPDX-License-Identifier: GPL-2.0

//! How a bound device is changed while it may have requests in flight.

use crate::{
    abstractions::{
        block::disk::{Disk, DiskGuard},
        fs::InodeLock,
        sync::LockKillable,
        task::sleep_killable,
    },
    driver::Loop,
};
use kernel::{
    prelude::*,
    time::{msecs_to_jiffies, Jiffies, Msecs},
};

/// The outcome of one try to change a device.
pub(crate) enum Tried<R> {
    Done(R),
    /// Writes are blocked, or a request does not end. Nothing has changed, but pinned mode may have
    /// ended.
    Busy,
    /// Page caches of the device have dirty pages, which the change must not carry over. To write
    /// them may wait for a thaw, or take long, so it is done without the mutex: opening the device
    /// takes that mutex, under `open_mutex`.
    Dirty,
    /// The device would become smaller, and a task may be using its page cache
    /// ([`resize::ResizeLock`](crate::resize::ResizeLock)). To wait for that may take long, too.
    InUse,
}

/// The wait between two tries to change a device.
pub(crate) struct Retry {
    /// For how long, in ms, a frozen queue is kept frozen while no request ends.
    step: Msecs,
}

impl Retry {
    const FIRST: Msecs = 400;
    /// Freezing also waits for a grace period of RCU, which may be long in itself.
    const LAST: Msecs = 1600;

    pub(crate) fn new() -> Self {
        Self { step: Self::FIRST }
    }

    /// Waits, or writes what is dirty, before the next try. `EINTR` if the task is killed.
    pub(crate) fn wait<R>(&mut self, disk: &Disk<Loop>, tried: &Tried<R>) -> Result {
        match tried {
            Tried::Dirty => {
                disk.write_and_drop_caches();
                return sleep_killable(0);
            }
            Tried::InUse => return InodeLock::new_killable(disk.part0().mapping()).map(drop),
            Tried::Busy | Tried::Done(_) => {}
        }
        disk.data().write_barrier.wait_killable()?;
        sleep_killable(self.step)?;
        self.step = Self::LAST.min(self.step * 2);
        Ok(())
    }
}

impl Loop {
    /// Changes a bound device: calls `change` with the mutex held while writes are not blocked,
    /// until it is done. `ENXIO` if the device is not bound, `EINTR` if the task is killed.
    ///
    /// A request may wait for a thaw, or hang, so `change` must not wait for its end: it keeps the
    /// queue frozen for at most the given time without progress, and this calls it again later. In
    /// between, this waits without the mutex, and other requests continue.
    pub(crate) fn change<R>(
        disk: &Disk<Self>,
        mut change: impl FnMut(&mut DiskGuard<'_, Self>, Jiffies) -> Result<Tried<R>>,
    ) -> Result<R> {
        let _turn = disk.data().changes.lock_killable()?;
        let mut retry = Retry::new();
        loop {
            match Self::try_change(disk, &retry, &mut change)? {
                Tried::Done(result) => return Ok(result),
                tried => retry.wait(disk, &tried)?,
            }
        }
    }

    /// Tries once to [`change`](Self::change) a device. The caller holds `LoopDevice::changes`.
    pub(crate) fn try_change<R>(
        disk: &Disk<Self>,
        retry: &Retry,
        change: impl FnOnce(&mut DiskGuard<'_, Self>, Jiffies) -> Result<Tried<R>>,
    ) -> Result<Tried<R>> {
        let mut guard = Self::lock_bound(disk)?;
        match disk.data().write_barrier.is_blocking() {
            true => Ok(Tried::Busy),
            false => change(&mut guard, msecs_to_jiffies(retry.step)),
        }
    }
}
