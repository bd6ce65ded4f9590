// SPDX-License-Identifier: GPL-2.0

//! Disks of a blk-mq driver.
//!
//! Ownership: an [`OwnedDisk`] owns the `struct gendisk`, which owns the driver's data. The driver
//! uses a disk through a borrowed [`Disk`], so that there is no circle of references. If it takes
//! an [`ARef`], work on a queue that the data owns must not put the last one. An open block device
//! keeps the disk and its data, but not the [`OwnedDisk`]. So does a reference to the disk's
//! device, even without an open; [`DiskDriver`] makes the module's exit wait for it.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)
//!
//! [`ARef`]: kernel::sync::aref::ARef

use super::{
    device::BlockDevice,
    mq::{Operations, PolledCount},
};
use crate::abstractions::sysfs::DeviceOwner;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings, new_mutex,
    prelude::*,
    sync::{
        aref::AlwaysRefCounted,
        atomic::{Acquire, Atomic, AtomicFlag, Relaxed},
        Mutex,
    },
    types::Opaque,
};

mod driver;
mod guard;
mod ioctl;
mod open;
mod operations;
mod owned;
mod partition;
mod queues;

pub use driver::DiskDriver;
pub use guard::{DiskGuard, Frozen};
pub use ioctl::Ioctl;
pub use open::OpenLocked;
pub(crate) use operations::disk_vtable;
pub use operations::{DiskOperations, DiskVTable, HasDiskVTable};
pub use owned::{DiskParams, OwnedDisk};
pub use partition::Partition;
pub use queues::QueuesGuard;

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_disk_openers(disk: *mut bindings::gendisk) -> c_uint;
    fn rust_helper_disk_suppress_part_scan(disk: *mut bindings::gendisk, suppress: bool);
    fn rust_helper_disk_to_dev(disk: *mut bindings::gendisk) -> *mut bindings::device;
    fn rust_helper_dev_to_disk(dev: *mut bindings::device) -> *mut bindings::gendisk;
    fn rust_helper_queue_logical_block_size(q: *mut bindings::request_queue) -> c_uint;
    fn rust_helper_queue_dma_alignment(q: *mut bindings::request_queue) -> c_uint;
}

/// The driver's part of a disk, which the disk and its queue point to.
///
/// # Invariants
///
/// `config` is null or comes from [`KBox::into_raw`], and this owns the box. The pointer changes
/// only under `state`. The configuration changes only under `state` with the queue frozen.
#[pin_data(PinnedDrop)]
pub(super) struct Private<T: Operations> {
    #[pin]
    data: T::DiskData,
    #[pin]
    state: Mutex<T::State>,
    config: Atomic<*mut T::Config>,
    /// See [`QueuesGuard`].
    #[pin]
    queues: Mutex<()>,
    polled: PolledCount,
    /// See [`set_quiesced`](Self::set_quiesced).
    quiesced: AtomicFlag,
}

impl<T: Operations> Private<T> {
    /// Makes the driver's part of a new disk, without a configuration.
    fn new(
        data: impl PinInit<T::DiskData, Error>,
        state: impl PinInit<Mutex<T::State>>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            data <- data,
            state <- state,
            // INVARIANT: The pointer is null.
            config: Atomic::new(core::ptr::null_mut()),
            queues <- new_mutex!((), "disk_queues"),
            polled: PolledCount::new(),
            quiesced: AtomicFlag::new(false),
        })
    }

    /// Records that `exit_hctx` has waited for every `queue_rq`. For a disk that is being removed
    /// only. Returns whether it had waited before.
    pub(super) fn set_quiesced(&self) -> bool {
        // Relaxed: the block layer exits hardware queues one after the other.
        self.quiesced.xchg(true, Relaxed)
    }

    pub(super) fn data(&self) -> &T::DiskData {
        &self.data
    }

    pub(super) fn polled(&self) -> &PolledCount {
        &self.polled
    }

    pub(super) fn config(&self) -> *const T::Config {
        // Acquire: pairs with the release in `DiskGuard::publish`.
        self.config.load(Acquire).cast_const()
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Private<T> {
    fn drop(self: Pin<&mut Self>) {
        // Relaxed: nobody else uses `self` any more.
        let config = self.config.load(Relaxed);
        if !config.is_null() {
            // SAFETY: By the type invariants `config` comes from `KBox::into_raw`, and is owned by
            // `self`.
            drop(unsafe { KBox::from_raw(config) });
        }
    }
}

/// A `struct gendisk` of the driver `T`.
///
/// # Invariants
///
/// A reference is to a live disk made by [`OwnedDisk<T>`].
#[repr(transparent)]
pub struct Disk<T: Operations> {
    disk: Opaque<bindings::gendisk>,
    _p: PhantomData<T>,
}

// SAFETY: Any task may put the last reference, and the driver's data is `Send`.
unsafe impl<T: Operations> Send for Disk<T> {}
// SAFETY: Any task may call the methods, and the driver's data is `Sync`.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    /// # Safety
    ///
    /// The type invariants hold for `disk` during `'a`.
    pub(super) unsafe fn from_raw<'a>(disk: *mut bindings::gendisk) -> &'a Self {
        // SAFETY: By the safety requirement the disk is live during `'a`; the type is transparent.
        unsafe { &*disk.cast() }
    }

    fn as_ptr(&self) -> *mut bindings::gendisk {
        self.disk.get()
    }

    pub(super) fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: By the type invariants the disk is live; its queue stays the same.
        unsafe { (*self.as_ptr()).queue }
    }

    fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariants the disk was made by `OwnedDisk<T>`, which stored a
        // `Private<T>`. That lives as long as the disk.
        unsafe { &*(*self.as_ptr()).private_data.cast::<Private<T>>() }
    }

    fn device(&self) -> *mut bindings::device {
        // SAFETY: By the type invariants the disk is live.
        unsafe { rust_helper_disk_to_dev(self.as_ptr()) }
    }

    /// The driver's data.
    pub fn data(&self) -> &T::DiskData {
        &self.private().data
    }

    /// The block device that is the whole disk.
    pub fn part0(&self) -> &BlockDevice {
        // SAFETY: By the type invariants the disk is live; part 0 lives as long as the disk.
        unsafe { BlockDevice::from_raw((*self.as_ptr()).part0) }
    }

    /// How often the disk and its partitions are open (`disk_openers()`). May change at once
    /// without `open_mutex`.
    pub fn openers(&self) -> u32 {
        // SAFETY: By the type invariants the disk is live.
        unsafe { rust_helper_disk_openers(self.as_ptr()) }
    }

    /// Logical block size of the queue in bytes.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: By the type invariants the disk is live, and so is its queue.
        unsafe { rust_helper_queue_logical_block_size(self.queue()) }
    }

    /// The mask of the bits that must be clear in a buffer's address (`queue_dma_alignment()`).
    pub fn dma_alignment(&self) -> u32 {
        // SAFETY: By the type invariants the disk is live, and so is its queue.
        unsafe { rust_helper_queue_dma_alignment(self.queue()) }
    }

    /// Sets the capacity in 512-byte sectors (`set_capacity_and_notify()`). If it changes, and is 0
    /// neither before nor after, sends userspace a change event with `RESIZE=1`, and returns true.
    /// May sleep.
    pub fn set_capacity_and_notify(&self, sectors: u64) -> bool {
        // SAFETY: By the type invariants the disk is live.
        unsafe { bindings::set_capacity_and_notify(self.as_ptr(), sectors) }
    }

    /// Marks the disk read-only or not, with an event to userspace if that changes
    /// (`set_disk_ro()`). May sleep.
    pub fn set_read_only(&self, read_only: bool) {
        // SAFETY: By the type invariants the disk is live.
        unsafe { bindings::set_disk_ro(self.as_ptr(), read_only) };
    }

    /// Reports another medium: sends an event, increments `diskseq`, and drops clean pages of the
    /// disk's page cache (`disk_force_media_change()`). May sleep.
    pub fn force_media_change(&self) {
        // SAFETY: By the type invariants the disk is live.
        unsafe { bindings::disk_force_media_change(self.as_ptr()) };
    }

    /// Drops clean pages of the disk's page cache and its writeback error, and sets the capacity to
    /// 0 (`invalidate_disk()`). May sleep.
    pub fn invalidate(&self) {
        // SAFETY: By the type invariants the disk is live.
        unsafe { bindings::invalidate_disk(self.as_ptr()) };
    }

    /// Sets whether the block layer scans for partitions: when the disk is opened, in `BLKRRPART`,
    /// and in [`OpenLocked::rescan_partitions`] (`GD_SUPPRESS_PART_SCAN`).
    pub fn set_partition_scan(&self, on: bool) {
        // SAFETY: By the type invariants the disk is live.
        unsafe { rust_helper_disk_suppress_part_scan(self.as_ptr(), !on) };
    }

    /// Sends a change event to userspace. May sleep.
    pub fn change_uevent(&self) {
        // SAFETY: By the type invariants the disk is live. There is nothing to do if the event
        // cannot be sent.
        unsafe {
            bindings::kobject_uevent(
                &raw mut (*self.device()).kobj,
                bindings::kobject_action_KOBJ_CHANGE,
            )
        };
    }

    /// Sends a change event for the disk and each partition (`disk_uevent()`). May sleep.
    pub fn change_uevent_of_all(&self) {
        // SAFETY: By the type invariants the disk is live.
        unsafe { bindings::disk_uevent(self.as_ptr(), bindings::kobject_action_KOBJ_CHANGE) };
    }
}

// SAFETY: A reference to the disk's device keeps the disk, which owns the private data.
unsafe impl<T: Operations> AlwaysRefCounted for Disk<T> {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants the disk is live.
        unsafe { bindings::get_device(self.device()) };
    }

    unsafe fn dec_ref(disk: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the disk is live.
        unsafe { bindings::put_device(disk.as_ref().device()) };
    }
}

// SAFETY: The device is a part of the disk, which `dev_to_disk()` returns. A reference to the
// device keeps the disk.
unsafe impl<T: Operations> DeviceOwner for Disk<T> {
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the requirements of the trait `dev` comes from `as_device`, so it is part of a
        // disk of `T`'s.
        unsafe { Self::from_raw(rust_helper_dev_to_disk(dev)) }
    }

    fn as_device(&self) -> *mut bindings::device {
        self.device()
    }
}

/// A disk that may not have been added yet, and may never be: what [`DiskParams::attributes`] see.
/// So there is no reference to be had, only its data.
#[repr(transparent)]
pub struct EarlyDisk<T: Operations>(Disk<T>);

impl<T: Operations> EarlyDisk<T> {
    /// The driver's data of the disk.
    pub fn data(&self) -> &T::DiskData {
        self.0.data()
    }
}

// SAFETY: As for `Disk`. The data exists before `device_add_disk()` is called; if that fails, the
// attributes are gone when it returns.
unsafe impl<T: Operations> DeviceOwner for EarlyDisk<T> {
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the requirements of the trait, as in `Disk::from_device`. `Self` is
        // transparent.
        unsafe { &*core::ptr::from_ref(Disk::<T>::from_device(dev)).cast() }
    }

    fn as_device(&self) -> *mut bindings::device {
        self.0.device()
    }
}
