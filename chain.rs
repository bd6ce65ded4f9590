// SPDX-License-Identifier: GPL-2.0

//! Loop devices that are bound to other loop devices.

use crate::{
    abstractions::{
        block::disk::Disk,
        fs::{FileExt, FileKind},
        sync::LockKillable,
    },
    device::Phase,
    driver::{Loop, Shared},
};
use kernel::{
    fs::File,
    prelude::*,
    sync::{aref::ARef, MutexGuard},
};

/// Whether a file is a device of this driver, or a partition of one.
pub(crate) fn is_loop(file: &File) -> bool {
    loop_disk(file).is_some()
}

/// The disk of this driver that a file is, or is a partition of.
fn loop_disk(file: &File) -> Option<&Disk<Loop>> {
    match file.mapping().kind() {
        FileKind::Block(bdev) => bdev.disk(),
        _ => None,
    }
}

/// Keeps chains of devices as they are. A task holds it while it binds a device to another one, and
/// while it marks a device for detach (`LOOP_CLR_FD`).
pub(crate) struct ChainLock<'a> {
    _guard: MutexGuard<'a, ()>,
}

impl<'a> ChainLock<'a> {
    /// Takes the lock; `EINTR` if the task is killed while it waits.
    pub(crate) fn take(shared: &'a Shared) -> Result<Self> {
        Ok(Self {
            _guard: shared.chain.lock_killable()?,
        })
    }

    /// Checks that `file` may become the backing file of `disk`. Returns whether the device below
    /// all loop devices is zoned, so that writes have to reach it in order.
    ///
    /// `EBADF` if that would close a circle; `EINVAL` if the file is a device that is not bound, is
    /// neither regular nor a block device, or is a loop device and `this` is `None`; `EINTR` if the
    /// task is killed. The caller must not hold the mutex of `disk`.
    pub(crate) fn validate(this: Option<&Self>, file: &File, disk: &Disk<Loop>) -> Result<bool> {
        let lowest = match loop_disk(file) {
            Some(first) => {
                // Without the lock the chain could change meanwhile.
                this.ok_or(EINVAL)?;
                Some(check_chain(first, disk)?)
            }
            None => None,
        };
        if let FileKind::Other = file.mapping().kind() {
            return Err(EINVAL);
        }
        match lowest.as_deref().unwrap_or(file).mapping().kind() {
            FileKind::Block(bdev) => Ok(bdev.is_zoned()),
            _ => Ok(false),
        }
    }
}

/// The backing file of the lowest device in the chain below `first`. `EBADF` if `disk` is in that
/// chain.
fn check_chain(first: &Disk<Loop>, disk: &Disk<Loop>) -> Result<ARef<File>> {
    let mut below = next_below(first, disk)?;
    while let Some(next) = loop_disk(&below) {
        let file = next_below(next, disk)?;
        below = file;
    }
    Ok(below)
}

/// The backing file of `current`. `EBADF` if that is `disk`, which would be on top of itself.
fn next_below(current: &Disk<Loop>, disk: &Disk<Loop>) -> Result<ARef<File>> {
    if core::ptr::eq(current, disk) {
        return Err(EBADF);
    }
    let guard = current.lock_killable()?;
    if current.data().phase() != Phase::Bound {
        return Err(EINVAL);
    }
    let binding = guard.config().ok_or(EINVAL)?;
    Ok(binding.backing.file().clone())
}
