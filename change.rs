// SPDX-License-Identifier: GPL-2.0

//! How a bound device is changed while it may have requests in flight.

use crate::{
    abstractions::{
        block::disk::{Disk, DiskGuard},
        fs::InodeLock,
        sync::LockKillable,
        task::sleep_killable,
    },
    device::Phase,
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
    /// A task may be writing to the device's page cache ([`Retry::needs_cache_lock`]). To wait for
    /// it may take long, too.
    CacheInUse,
}

/// What lasts from one try to change a device to the next.
pub(crate) struct Retry<'a> {
    disk: &'a Disk<Loop>,
    /// For how long, in ms, a frozen queue is kept frozen while no request ends.
    step: Msecs,
    /// The lock of the device's own inode, if the next try needs it.
    cache_lock: Option<InodeLock<'a>>,
}

impl<'a> Retry<'a> {
    const FIRST: Msecs = 400;
    /// Freezing also waits for a grace period of RCU, which may be long in itself.
    const LAST: Msecs = 1600;
    /// The wait for a task that holds the mutex, in ms.
    const MUTEX: Msecs = 10;

    pub(crate) fn new(disk: &'a Disk<Loop>) -> Self {
        Self {
            disk,
            step: Self::FIRST,
            cache_lock: None,
        }
    }

    /// For how long a frozen queue is kept frozen while no request ends.
    pub(crate) fn step(&self) -> Jiffies {
        msecs_to_jiffies(self.step)
    }

    /// What to end this try with if a task may be writing to the device's page cache; `None` if
    /// none can before the next try. May sleep.
    ///
    /// A change of the offset or the size needs this. Otherwise what is written meanwhile may go to
    /// the wrong place. And such a write makes the inode of the device longer if it ends beyond its
    /// size: if the device became smaller, the inode would be left with the wrong size, and the
    /// kernel would warn if that changed once more. Not covered are mappings, partitions, which
    /// have inodes of their own, and direct writes for which the block layer falls back to the page
    /// cache: it does not lock the inode for these.
    ///
    /// Reads and writes of the page cache hold the lock shared. A task that waits for it keeps new
    /// ones waiting, so this first makes sure that no request hangs for which one holds it.
    pub(crate) fn needs_cache_lock<R>(&self, guard: &mut DiskGuard<'_, Loop>) -> Option<Tried<R>> {
        if self.cache_lock.is_some() {
            return None;
        }
        match guard.freeze_while_progressing(self.step()) {
            Some(_) => Some(Tried::CacheInUse),
            None => Some(Tried::Busy),
        }
    }

    /// Waits, or writes what is dirty, before the next try. `EINTR` if the task is killed.
    pub(crate) fn wait<R>(&mut self, tried: &Tried<R>) -> Result {
        match tried {
            // The first time this is without the lock, so reads go on while the file system is
            // frozen. Then it is with the lock, so that no more can be written meanwhile.
            Tried::Dirty => {
                self.disk.write_and_drop_caches();
                return sleep_killable(0);
            }
            Tried::CacheInUse => {
                // Another task held the mutex.
                if self.cache_lock.take().is_some() {
                    sleep_killable(Self::MUTEX)?;
                }
                self.cache_lock = Some(InodeLock::new_killable(self.disk.part0().mapping())?);
                return Ok(());
            }
            Tried::Busy | Tried::Done(_) => self.cache_lock = None,
        }
        self.disk.data().write_barrier.wait_killable()?;
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
    /// queue frozen for at most [`Retry::step`] without progress, and this calls it again later. In
    /// between, this waits without the mutex, and other requests continue.
    pub(crate) fn change<R>(
        disk: &Disk<Self>,
        mut change: impl FnMut(&mut DiskGuard<'_, Self>, &Retry<'_>) -> Result<Tried<R>>,
    ) -> Result<R> {
        let _turn = disk.data().changes.lock_killable()?;
        let mut retry = Retry::new(disk);
        loop {
            match Self::try_change(&retry, &mut change)? {
                Tried::Done(result) => return Ok(result),
                tried => retry.wait(&tried)?,
            }
        }
    }

    /// Tries once to [`change`](Self::change) a device. The caller holds `LoopDevice::changes`.
    pub(crate) fn try_change<R>(
        retry: &Retry<'_>,
        change: impl FnOnce(&mut DiskGuard<'_, Self>, &Retry<'_>) -> Result<Tried<R>>,
    ) -> Result<Tried<R>> {
        let disk = retry.disk;
        let mut guard = match retry.cache_lock {
            None => Self::lock_bound(disk)?,
            Some(_) => match disk.try_lock() {
                Some(guard) if disk.data().phase() == Phase::Bound => guard,
                Some(_) => return Err(ENXIO),
                None => return Ok(Tried::CacheInUse),
            },
        };
        match disk.data().write_barrier.is_blocking() {
            true => Ok(Tried::Busy),
            false => change(&mut guard, retry),
        }
    }
}
