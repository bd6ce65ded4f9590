// SPDX-License-Identifier: GPL-2.0

//! The capacity of a device while it may be in use.

use crate::{
    abstractions::{block::disk::Disk, fs::InodeLock},
    driver::Loop,
};
use kernel::prelude::*;

/// What has to be held to make a device smaller: the lock of its inode.
///
/// A write to the page cache of a block device makes the inode longer if it ends beyond its size.
/// If the device became smaller during the write, the inode would have the wrong size afterwards,
/// and the block layer would warn if that changed once more. Such writes hold the lock shared.
pub(crate) struct ResizeLock<'a> {
    _inode: Option<InodeLock<'a>>,
}

impl<'a> ResizeLock<'a> {
    /// Takes the lock to set the capacity to so many sectors. The disk's mutex is held, so this
    /// does not wait: it returns `None` if the inode is locked, and counts that in `failures`. If
    /// tasks go on to use the page cache, it waits in the end; `EINTR` if the task is killed.
    pub(crate) fn take(
        disk: &'a Disk<Loop>,
        sectors: u64,
        failures: &mut u32,
    ) -> Result<Option<Self>> {
        const MAX_FAILURES: u32 = 8;

        if sectors >= disk.part0().sectors() {
            return Ok(Some(Self { _inode: None }));
        }
        let mapping = disk.part0().mapping();
        let inode = match InodeLock::try_new(mapping) {
            None if *failures < MAX_FAILURES => {
                *failures += 1;
                return Ok(None);
            }
            None => InodeLock::new_killable(mapping)?,
            Some(inode) => inode,
        };
        Ok(Some(Self {
            _inode: Some(inode),
        }))
    }
}

/// Sets the capacity, and sends userspace a change event in any case.
pub(crate) fn set_capacity(disk: &Disk<Loop>, sectors: u64) {
    if !disk.set_capacity_and_notify(sectors) {
        disk.change_uevent();
    }
}
