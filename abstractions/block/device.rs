// SPDX-License-Identifier: GPL-2.0

//! Block devices: whole disks and partitions.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::disk::{Disk, DiskOperations};
use crate::abstractions::fs::AddressSpace;
use core::{ops::Deref, ptr::NonNull};
use kernel::{bindings, error::to_result, prelude::*, sync::aref::AlwaysRefCounted, types::Opaque};

#[cfg(FILE_EXTENTS)]
mod medium;

#[cfg(FILE_EXTENTS)]
pub use medium::ZeroMode;

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_bdev_logical_block_size(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_write_zeroes_sectors(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_discard_granularity(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_dma_alignment(bdev: *mut bindings::block_device) -> c_int;
    fn rust_helper_bdev_rot(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_is_bottom(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_takes_writes(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_max_bytes(bdev: *mut bindings::block_device) -> c_uint;
    fn rust_helper_bdev_nowait(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_can_poll(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_has_integrity(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_stable_writes(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_set_stable_pages(bdev: *mut bindings::block_device, on: bool);
    fn rust_helper_bdev_is_zoned(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_read_cached(
        bdev: *mut bindings::block_device,
        pos: bindings::loff_t,
        to: *mut u8,
        bytes: usize,
    ) -> c_int;
}

/// A range of a block device.
pub struct Extent<'a> {
    /// The device.
    pub bdev: &'a BlockDevice,
    /// First sector, in units of 512 bytes.
    pub sector: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// Whether the device is the lowest one, as far as is known ([`BlockDevice::is_bottom`]).
    pub bottom: bool,
}

/// The limits of a block device's queue, which can be read even if nobody keeps the device open.
///
/// # Invariants
///
/// A reference is to a block device that has not been freed, nor has its queue.
#[repr(transparent)]
pub struct DeviceLimits(Opaque<bindings::block_device>);

// SAFETY: Any task may call the methods, at any time.
unsafe impl Sync for DeviceLimits {}

impl DeviceLimits {
    /// # Safety
    ///
    /// The type invariants hold for `bdev` during `'a`.
    pub unsafe fn from_raw<'a>(bdev: *mut bindings::block_device) -> &'a Self {
        // SAFETY: By the safety requirement `bdev` is valid during `'a`; the type is transparent.
        unsafe { &*bdev.cast() }
    }

    /// The largest request of the device, in bytes; a larger bio is split.
    pub fn max_bytes(&self) -> u32 {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_max_bytes(self.0.get()) }
    }

    /// Whether the device takes `REQ_NOWAIT` (`bdev_nowait()`).
    pub fn has_nowait(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_nowait(self.0.get()) }
    }

    /// Logical block size in bytes.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_logical_block_size(self.0.get()) }
    }

    /// The mask of the bits that must be clear in a buffer's address.
    pub fn dma_alignment(&self) -> u32 {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_dma_alignment(self.0.get()) as u32 }
    }

    /// Whether the device has zones, each of which is written from its beginning to its end
    /// (`bdev_is_zoned()`).
    pub fn is_zoned(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_is_zoned(self.0.get()) }
    }

    /// Whether data must not be modified while it is written, because the device or its driver
    /// computes checksums or parity of it (`bdev_stable_writes()`).
    pub fn needs_stable_writes(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_stable_writes(self.0.get()) }
    }

    /// Whether seeks are expensive.
    pub fn is_rotational(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_rot(self.0.get()) }
    }
}

/// A `struct block_device`.
///
/// # Invariants
///
/// A reference is to a block device that is kept open, whose `struct device` is referenced, or that
/// belongs to a live disk.
#[repr(transparent)]
pub struct BlockDevice(DeviceLimits);

impl Deref for BlockDevice {
    type Target = DeviceLimits;

    fn deref(&self) -> &DeviceLimits {
        &self.0
    }
}

impl BlockDevice {
    /// # Safety
    ///
    /// The type invariants hold for `bdev` during `'a`.
    pub unsafe fn from_raw<'a>(bdev: *mut bindings::block_device) -> &'a Self {
        // SAFETY: By the safety requirement `bdev` is valid during `'a`; the type is transparent.
        unsafe { &*bdev.cast() }
    }

    pub(in super::super) fn as_ptr(&self) -> *mut bindings::block_device {
        self.0 .0.get()
    }

    /// Whether the device has requests of its own, and its driver does not remap them to another
    /// device while they are submitted (`BLK_MQ_F_STACKING`), so that submitting to it uses the
    /// stack for one driver only. Also false if the device is gone, or its queue is frozen at the
    /// moment.
    pub fn is_bottom(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_is_bottom(self.as_ptr()) }
    }

    /// Whether the device may be written to now: it is neither read-only nor used for swap.
    pub fn takes_writes(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_takes_writes(self.as_ptr()) }
    }

    /// Whether the device takes polled bios (`REQ_POLLED`) at the moment. False for devices without
    /// requests of their own, and for zoned ones.
    pub fn can_poll(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_can_poll(self.as_ptr()) }
    }

    /// Whether I/O to the device carries protection information (`blk_get_integrity()`).
    pub fn has_integrity(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_has_integrity(self.as_ptr()) }
    }

    /// The largest write-zeroes request in 512-byte sectors; 0 if the device does not support it.
    pub fn write_zeroes_sectors(&self) -> u32 {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_write_zeroes_sectors(self.as_ptr()) }
    }

    /// Discard granularity in bytes.
    pub fn discard_granularity(&self) -> u32 {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_discard_granularity(self.as_ptr()) }
    }

    /// Sets whether writers to the device's page cache wait for the writeback of a page before they
    /// modify it (`mapping_set_stable_writes()`). The block layer takes this from the limits only
    /// once, when it adds the device.
    pub fn set_stable_pages(&self, on: bool) {
        // SAFETY: By the type invariants the device is valid; it has a mapping for as long as it
        // exists.
        unsafe { rust_helper_bdev_set_stable_pages(self.as_ptr(), on) };
    }

    /// The sector of the disk that the device begins with, in units of 512 bytes; 0 for the disk
    /// itself.
    pub fn start(&self) -> u64 {
        // SAFETY: By the type invariants the device is valid; `bd_start_sect` does not change.
        unsafe { (*self.as_ptr()).bd_start_sect }
    }

    /// Size in 512-byte sectors, as it is now.
    pub fn sectors(&self) -> u64 {
        // SAFETY: By the type invariants the device is valid. The size may change at any time;
        // 64-bit kernels read it in one access.
        unsafe { (&raw const (*self.as_ptr()).bd_nr_sectors).read_volatile() }
    }

    /// UUID and name from the partition table: see [`Partition`](super::disk::Partition).
    pub(super) fn meta_info(
        &self,
    ) -> (
        [u8; bindings::PARTITION_META_INFO_UUIDLTH as usize],
        [u8; bindings::PARTITION_META_INFO_VOLNAMELTH as usize],
    ) {
        // SAFETY: By the type invariants the device is valid. `bd_meta_info` is set before others
        // can find the device, and does not change.
        match unsafe { (*self.as_ptr()).bd_meta_info.as_ref() } {
            Some(info) => (info.uuid, info.volname),
            None => (
                [0; bindings::PARTITION_META_INFO_UUIDLTH as usize],
                [0; bindings::PARTITION_META_INFO_VOLNAMELTH as usize],
            ),
        }
    }

    /// Reads from byte `pos` on, through the page cache. May sleep.
    ///
    /// Fails with `EIO` if reading does, or beyond the end of the device; with `ENOMEM`; and with
    /// `EINTR` if the task is killed. The device may be written to, or resized, meanwhile.
    pub fn read_cached(&self, pos: u64, to: &mut [u8]) -> Result {
        let pos = pos.try_into().map_err(|_| EIO)?;
        // SAFETY: By the type invariants the device is valid; the slice is valid for its length.
        to_result(unsafe {
            rust_helper_bdev_read_cached(self.as_ptr(), pos, to.as_mut_ptr(), to.len())
        })
    }

    /// The device's page cache.
    pub fn mapping(&self) -> &AddressSpace {
        // SAFETY: By the type invariants the device is valid; it has a mapping, with a host, for as
        // long as it exists.
        unsafe { AddressSpace::from_raw((*self.as_ptr()).bd_mapping) }
    }

    /// Drops clean pages of the device's page cache (`invalidate_bdev()`). May sleep.
    pub fn invalidate(&self) {
        // SAFETY: By the type invariants the device is valid.
        unsafe { bindings::invalidate_bdev(self.as_ptr()) };
    }

    /// Drops clean pages of the device's page cache, also pages that tasks are reading or have
    /// mapped; only pages that a file system on the device holds stay
    /// (`invalidate_inode_pages2()`). Waits for reads and writes of the pages, so the queue must
    /// not be frozen. May sleep.
    pub fn invalidate_in_use(&self) {
        // The buffers in each CPU's LRU would keep their pages; `invalidate_bdev()` empties the
        // LRUs.
        self.invalidate();
        // SAFETY: By the type invariants the device is valid; it has a mapping for as long as it
        // exists.
        unsafe { bindings::invalidate_inode_pages2_range((*self.as_ptr()).bd_mapping, 0, !0) };
    }

    /// Claims the device: other tasks cannot open it exclusively as long as the result lives, but
    /// wait for its end (`bd_prepare_to_claim()`). May sleep, also for the end of another claim.
    ///
    /// Fails with `EBUSY` if the device is open exclusively.
    pub fn claim(&self) -> Result<Claim<'_>> {
        let bdev = self.as_ptr();
        // A claim is made for a holder. No other caller names the device itself as the holder.
        //
        // SAFETY: By the type invariants the device is valid.
        to_result(unsafe { bindings::bd_prepare_to_claim(bdev, bdev.cast(), core::ptr::null()) })?;
        Ok(Claim(self))
    }

    /// The disk that the device is, or is a partition of; `None` if that is not one of `T`'s.
    pub fn disk<T: DiskOperations>(&self) -> Option<&Disk<T>> {
        // SAFETY: By the type invariants the device is valid; it belongs to one disk for life.
        let disk = unsafe { (*self.as_ptr()).bd_disk };
        // SAFETY: The device keeps its disk. The operations of a disk are set before it is added.
        if !core::ptr::eq(unsafe { (*disk).fops }, T::vtable().as_ptr()) {
            return None;
        }
        // SAFETY: By the requirements of `HasDiskVTable` only disks of `T` have these operations,
        // and only `OwnedDisk<T>` makes them.
        Some(unsafe { Disk::from_raw(disk) })
    }
}

// SAFETY: A reference to its `struct device` keeps a block device, its mapping, and its disk. The
// last one is put where the task may sleep.
unsafe impl AlwaysRefCounted for BlockDevice {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants the device is valid.
        unsafe { bindings::get_device(&raw mut (*self.as_ptr()).bd_device) };
    }

    unsafe fn dec_ref(bdev: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the device has not been freed.
        unsafe { bindings::put_device(&raw mut (*bdev.as_ref().as_ptr()).bd_device) };
    }
}

/// A claim on a block device, ended when dropped (`bd_abort_claiming()`, which may sleep).
///
/// # Invariants
///
/// The device was claimed with itself as the holder.
#[must_use = "the claim is given up at once when unused"]
pub struct Claim<'a>(&'a BlockDevice);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let bdev = self.0.as_ptr();
        // SAFETY: By the type invariants the device was claimed with itself as the holder.
        unsafe { bindings::bd_abort_claiming(bdev, bdev.cast()) };
    }
}
