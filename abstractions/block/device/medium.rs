// SPDX-License-Identifier: GPL-2.0

//! Flushing, FUA and zeroing of block devices.

use super::{BlockDevice, Extent};
use kernel::{bindings, error::to_result, prelude::*};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_bdev_fua(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_bdev_write_cache(bdev: *mut bindings::block_device) -> bool;
    fn rust_helper_blkdev_zero_out(
        bdev: *mut bindings::block_device,
        sector: bindings::sector_t,
        sectors: bindings::sector_t,
        unmap: bool,
        fallback: bool,
    ) -> c_int;
}

/// How [`BlockDevice::zero_out`] makes zeroes. In all cases the extent reads as zeroes afterwards.
#[derive(Clone, Copy)]
pub enum ZeroMode {
    /// The blocks stay allocated (`BLKDEV_ZERO_NOUNMAP`).
    KeepAllocated,
    /// The device may deallocate the blocks. If it cannot zero by itself, zeroes are written.
    MayUnmap,
    /// The device may deallocate the blocks; zeroes are not written (`BLKDEV_ZERO_NOFALLBACK`).
    MayUnmapOnly,
}

impl BlockDevice {
    /// Whether the device supports writes that are on the medium when they end (`bdev_fua()`).
    pub fn has_fua(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_fua(self.as_ptr()) }
    }

    /// Whether the device has a volatile write cache, which a flush empties (`bdev_write_cache()`).
    pub fn has_write_cache(&self) -> bool {
        // SAFETY: By the type invariants the device is valid.
        unsafe { rust_helper_bdev_write_cache(self.as_ptr()) }
    }

    /// Flushes the device's write cache to the medium, and waits (`blkdev_issue_flush()`). May
    /// sleep.
    pub fn flush(&self) -> Result {
        // SAFETY: By the type invariants the device is valid.
        to_result(unsafe { bindings::blkdev_issue_flush(self.as_ptr()) })
    }

    /// Makes an extent read as zeroes, and waits (`blkdev_issue_zeroout()`). May sleep; allocates
    /// with `GFP_NOIO`. Fails with `EOPNOTSUPP` if the device does not, or no longer, support it,
    /// and the mode does not let zeroes be written.
    pub fn zero_out(extent: &Extent<'_>, mode: ZeroMode) -> Result {
        let sectors = u64::from(extent.bytes >> bindings::SECTOR_SHIFT);
        let (unmap, fallback) = match mode {
            ZeroMode::KeepAllocated => (false, true),
            ZeroMode::MayUnmap => (true, true),
            ZeroMode::MayUnmapOnly => (true, false),
        };
        // SAFETY: By the type invariants the extent's device is valid. The block layer refuses a
        // range beyond its end.
        to_result(unsafe {
            rust_helper_blkdev_zero_out(
                extent.bdev.as_ptr(),
                extent.sector,
                sectors,
                unmap,
                fallback,
            )
        })
    }
}
