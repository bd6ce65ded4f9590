// SPDX-License-Identifier: GPL-2.0

//! Block devices: whole disks and partitions.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::disk::{Disk, DiskOperations};
use kernel::{bindings, error::to_result, prelude::*, types::Opaque};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_bdev_logical_block_size(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_write_zeroes_sectors(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_discard_granularity(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_dma_alignment(bdev: *mut bindings::block_device) -> c_int;
    fn rust_helper_bdev_rot(bdev: *mut bindings::block_device) -> bool;
}

/// A `struct block_device`.
///
/// # Invariants
///
/// A reference to one is a block device that somebody keeps open, or that belongs to a live disk.
#[repr(transparent)]
pub struct BlockDevice(Opaque<bindings::block_device>);

// SAFETY: The methods may be called from any task.
unsafe impl Sync for BlockDevice {}

impl BlockDevice {
    /// # Safety
    ///
    /// The type invariants hold for `bdev` during `'a`.
    pub unsafe fn from_raw<'a>(bdev: *mut bindings::block_device) -> &'a Self {
        // SAFETY: By the safety requirement; the type is transparent.
        unsafe { &*bdev.cast() }
    }

    /// Logical block size in bytes.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { rust_helper_bdev_logical_block_size(self.0.get()) }
    }

    /// The largest write-zeroes request in 512-byte sectors; 0 where the device has none.
    pub fn write_zeroes_sectors(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { rust_helper_bdev_write_zeroes_sectors(self.0.get()) }
    }

    /// Discard granularity in bytes.
    pub fn discard_granularity(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { rust_helper_bdev_discard_granularity(self.0.get()) }
    }

    /// The mask that a buffer's address must not have bits in common with.
    pub fn dma_alignment(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { rust_helper_bdev_dma_alignment(self.0.get()) as u32 }
    }

    /// Whether seeks are expensive.
    pub fn is_rotational(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { rust_helper_bdev_rot(self.0.get()) }
    }

    /// Writes dirty pages of the device's page cache out, and waits (`sync_blockdev()`).
    pub fn sync(&self) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::sync_blockdev(self.0.get()) })
    }

    /// Drops clean pages of the device's page cache (`invalidate_bdev()`). May sleep.
    pub fn invalidate(&self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::invalidate_bdev(self.0.get()) };
    }

    /// Keeps others from opening the device exclusively, for as long as the result lives
    /// (`bd_prepare_to_claim()`). May sleep.
    ///
    /// Fails with `EBUSY` if somebody holds the device exclusively.
    pub fn claim(&self) -> Result<Claim<'_>> {
        let bdev = self.0.get();
        // A claim belongs to a holder. The device itself is one that nobody else will name.
        //
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::bd_prepare_to_claim(bdev, bdev.cast(), core::ptr::null()) })?;
        Ok(Claim(self))
    }

    /// The disk that the device is or is a part of, if it is one of `T`'s.
    pub fn disk<T: DiskOperations>(&self) -> Option<&Disk<T>> {
        // SAFETY: By the type invariants; a block device belongs to one disk for life.
        let disk = unsafe { (*self.0.get()).bd_disk };
        // SAFETY: The operations of a disk are set before it is added.
        if !core::ptr::eq(unsafe { (*disk).fops }, T::vtable().as_ptr()) {
            return None;
        }
        // SAFETY: By the requirements of `HasDiskVTable` the address is `T`'s alone, and only
        // `OwnedDisk<T>` makes disks with it.
        Some(unsafe { Disk::from_raw(disk) })
    }
}

/// A claim on a block device, given up when dropped (`bd_abort_claiming()`, which may sleep).
///
/// # Invariants
///
/// The device was claimed in its own name.
#[must_use = "the claim is given up at once when unused"]
pub struct Claim<'a>(&'a BlockDevice);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let bdev = self.0 .0.get();
        // SAFETY: By the type invariants.
        unsafe { bindings::bd_abort_claiming(bdev, bdev.cast()) };
    }
}
