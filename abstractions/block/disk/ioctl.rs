// SPDX-License-Identifier: GPL-2.0

//! What an ioctl on a block device asks for, and how the device was opened.

use super::{
    super::{device::BlockDevice, mq::Operations},
    Disk,
};
use kernel::{
    bindings,
    fs::{File, LocalFile},
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe,
};

// Checked against the header in `helpers/block.c`.
const BLK_OPEN_WRITE: u32 = 0x2;
const BLK_OPEN_EXCL: u32 = 0x4;

/// How a block device was opened (`blk_mode_t`).
#[derive(Clone, Copy)]
pub struct OpenMode(u32);

impl OpenMode {
    /// Whether the device may be written to (`BLK_OPEN_WRITE`).
    pub fn is_write(self) -> bool {
        self.0 & BLK_OPEN_WRITE != 0
    }

    /// Whether the opener holds the device exclusively (`BLK_OPEN_EXCL`).
    pub fn is_exclusive(self) -> bool {
        self.0 & BLK_OPEN_EXCL != 0
    }
}

/// An ioctl on a block device, in the context of the system call.
///
/// # Invariants
///
/// It exists only during the system call that it stands for.
pub struct Ioctl<'a, T: Operations> {
    disk: &'a Disk<T>,
    bdev: &'a BlockDevice,
    mode: OpenMode,
    cmd: u32,
    arg: usize,
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> Ioctl<'a, T> {
    /// # Safety
    ///
    /// `bdev` must be open, and belong to a disk made by `OwnedDisk<T>`. The caller is the ioctl
    /// operation, and `'a` ends before that returns.
    pub(super) unsafe fn new(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> Self {
        // SAFETY: By the safety requirements `bdev` is open, which keeps its disk live, and the
        // disk was made by `OwnedDisk<T>`.
        let disk = unsafe { Disk::from_raw((*bdev).bd_disk) };
        // INVARIANT: The caller passes this to a function that works for any `'a`, and so cannot
        // keep it.
        Self {
            disk,
            // SAFETY: By the safety requirements `bdev` is open during `'a`.
            bdev: unsafe { BlockDevice::from_raw(bdev) },
            mode: OpenMode(mode),
            cmd,
            arg,
            _not_send: NotThreadSafe,
        }
    }

    /// The disk that the device is, or is a partition of.
    pub fn disk(&self) -> &'a Disk<T> {
        self.disk
    }

    /// The device that was opened.
    pub fn bdev(&self) -> &'a BlockDevice {
        self.bdev
    }

    /// How the device was opened.
    pub fn mode(&self) -> OpenMode {
        self.mode
    }

    /// Number of the ioctl.
    pub fn cmd(&self) -> u32 {
        self.cmd
    }

    /// Argument of the ioctl: a number, or an address in the caller's memory. For the compat call,
    /// as the 32-bit program has passed it.
    pub fn arg(&self) -> usize {
        self.arg
    }

    /// Gets a file by a descriptor of the calling task (`fget()`); `EBADF` if there is none.
    pub fn fget(&self, fd: u32) -> Result<ARef<File>> {
        let file = LocalFile::fget(fd)?;
        // SAFETY: By the type invariants this task is in `ioctl()`, which does not use
        // `fdget_pos()`.
        Ok(unsafe { LocalFile::assume_no_fdget_pos(file) })
    }
}
