// SPDX-License-Identifier: GPL-2.0

//! What a block driver implements for its disks, and the vtable through which the block layer calls
//! it.

use super::{super::mq::Operations, driver::Users, Disk, Ioctl, OpenLocked, Private};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::{from_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
    ThisModule,
};

/// The disk side of a block driver: its block device operations.
#[vtable]
pub trait DiskOperations: Operations + HasDiskVTable {
    /// The module that stays loaded while a disk is open.
    const OWNER: &'static ThisModule;

    /// The disk, or a partition of it, is being opened. Called under `open_mutex`; may sleep.
    fn open(_disk: &Disk<Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The disk, or a partition of it, was closed. Called under `open_mutex`; may sleep.
    fn release(_disk: &OpenLocked<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// An ioctl that the block layer does not handle. May sleep.
    fn ioctl(_ioctl: Ioctl<'_, Self>) -> Result<i32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// An ioctl of a 32-bit program, whether or not the block layer handles it. May sleep.
    #[cfg_attr(not(CONFIG_COMPAT), allow(dead_code))]
    fn compat_ioctl(_ioctl: Ioctl<'_, Self>) -> Result<i32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The driver's operations as C sees them; implemented by [`disk_vtable!`].
///
/// # Safety
///
/// `vtable` must return the same static on each call. No other driver may use that static: its
/// address identifies the driver's disks.
pub unsafe trait HasDiskVTable: Sized {
    /// The static with the driver's operations.
    fn vtable() -> &'static DiskVTable<Self>
    where
        Self: DiskOperations;
}

/// Implements [`HasDiskVTable`] for a driver, a type without generic parameters.
macro_rules! disk_vtable {
    ($driver:ty) => {
        #[allow(unsafe_code)]
        // SAFETY: `VTABLE` is one static, whose type names the driver.
        unsafe impl $crate::abstractions::block::disk::HasDiskVTable for $driver {
            fn vtable() -> &'static $crate::abstractions::block::disk::DiskVTable<Self> {
                static VTABLE: $crate::abstractions::block::disk::DiskVTable<$driver> =
                    $crate::abstractions::block::disk::DiskVTable::of_driver();

                &VTABLE
            }
        }
    };
}
pub(crate) use disk_vtable;

/// The `struct block_device_operations` of a driver.
pub struct DiskVTable<T: DiskOperations> {
    ops: bindings::block_device_operations,
    pub(super) users: Users,
    _p: PhantomData<fn() -> T>,
}

// SAFETY: The operations are never written to, and `users` is atomic.
unsafe impl<T: DiskOperations> Sync for DiskVTable<T> {}

impl<T: DiskOperations> DiskVTable<T> {
    /// Builds the operations.
    pub const fn of_driver() -> Self {
        Self {
            ops: bindings::block_device_operations {
                open: if T::HAS_OPEN { Some(Self::open) } else { None },
                release: if T::HAS_RELEASE {
                    Some(Self::release)
                } else {
                    None
                },
                ioctl: if T::HAS_IOCTL {
                    Some(Self::ioctl)
                } else {
                    None
                },
                #[cfg(CONFIG_COMPAT)]
                compat_ioctl: if T::HAS_COMPAT_IOCTL {
                    Some(Self::compat_ioctl)
                } else {
                    None
                },
                free_disk: Some(Self::free_disk),
                owner: T::OWNER.as_ptr(),
                ..pin_init::zeroed()
            },
            users: Users::new(),
            _p: PhantomData,
        }
    }

    pub(in super::super) fn as_ptr(&self) -> *const bindings::block_device_operations {
        &raw const self.ops
    }

    /// # Safety
    ///
    /// Called by the block layer only, with `open_mutex` held.
    unsafe extern "C" fn open(disk: *mut bindings::gendisk, _mode: bindings::blk_mode_t) -> c_int {
        // SAFETY: The block layer passes a live disk with these operations.
        let disk = unsafe { Disk::from_raw(disk) };
        from_result(|| T::open(disk).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the block layer only, with `open_mutex` held.
    unsafe extern "C" fn release(disk: *mut bindings::gendisk) {
        // SAFETY: The block layer passes a live disk with these operations.
        let disk = unsafe { Disk::from_raw(disk) };
        // SAFETY: The block layer holds `open_mutex` during this call, which the value does not
        // outlive.
        T::release(&unsafe { OpenLocked::new(disk) });
    }

    /// # Safety
    ///
    /// Called by the block layer only, for a device that is open.
    unsafe extern "C" fn ioctl(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_int {
        // SAFETY: The block layer passes an open device of a disk with these operations.
        from_result(|| T::ioctl(unsafe { Ioctl::new(bdev, mode, cmd, arg) }))
    }

    /// # Safety
    ///
    /// Called by the block layer only, for a device that is open.
    #[cfg(CONFIG_COMPAT)]
    unsafe extern "C" fn compat_ioctl(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_int {
        // SAFETY: The block layer passes an open device of a disk with these operations.
        from_result(|| T::compat_ioctl(unsafe { Ioctl::new(bdev, mode, cmd, arg) }))
    }

    /// # Safety
    ///
    /// Called by the block layer only, when the last reference to an added disk is gone.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: `OwnedDisk::new` stored a box in `private_data`. The queue is gone, and this was
        // the last reference, so nobody borrows the data.
        drop(unsafe { KBox::from_raw((*disk).private_data.cast::<Private<T>>()) });
        // `DiskDriver::drop` may wait for this. From here on the module is not kept.
        T::vtable().users.put();
    }
}
