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

use super::{
    device::BlockDevice,
    limits::QueueLimits,
    mq::{Operations, TagSet, TagSetParams},
};
use crate::abstractions::{
    cpu::HotplugDisabled,
    sysfs::{is_dead, DeviceOwner},
};
use core::{fmt::Write, marker::PhantomData, ops::Deref, ptr::NonNull};
use kernel::{
    bindings,
    error::{from_err_ptr, to_result},
    fmt,
    prelude::*,
    str::NullTerminatedFormatter,
    sync::{
        aref::AlwaysRefCounted,
        atomic::{Acquire, Atomic, AtomicFlag, Relaxed},
        LockClassKey, Mutex,
    },
    types::{Opaque, ScopeGuard},
};

mod driver;
mod guard;
mod ioctl;
mod open;
mod operations;
mod partition;

pub use driver::DiskDriver;
pub use guard::{DiskGuard, Frozen};
pub use ioctl::Ioctl;
pub use open::OpenLocked;
pub(crate) use operations::disk_vtable;
pub use operations::{DiskOperations, DiskVTable, HasDiskVTable};
pub use partition::Partition;

use driver::DiskUser;

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
    /// See [`set_quiesced`](Self::set_quiesced).
    quiesced: AtomicFlag,
}

impl<T: Operations> Private<T> {
    /// Records whether every `queue_rq` that ran when the disk's last request ended has returned.
    /// Returns what was recorded before.
    pub(super) fn set_quiesced(&self, quiesced: bool) -> bool {
        self.quiesced.xchg(quiesced, Relaxed)
    }

    pub(super) fn data(&self) -> &T::DiskData {
        &self.data
    }

    pub(super) fn config(&self) -> *const T::Config {
        // Pairs with the release in `DiskGuard::publish`.
        self.config.load(Acquire).cast_const()
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Private<T> {
    fn drop(self: Pin<&mut Self>) {
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

/// Parameters of a new disk.
pub struct DiskParams {
    /// Major device number.
    pub major: u32,
    /// First minor device number.
    pub first_minor: u32,
    /// Number of minor device numbers; with 1, partitions get dynamic numbers only.
    pub minors: u32,
    /// Whether the block layer scans for partitions when the disk is opened.
    pub partition_scan: bool,
    /// Limits of the queue.
    pub limits: QueueLimits,
    /// Tags and hardware queues.
    pub tag_set: TagSetParams,
    /// Lockdep class for tasks that wait for bios to this disk.
    pub lock_class: Pin<&'static LockClassKey>,
}

/// A disk that the driver has added, so that userspace sees it.
///
/// Dropping it removes the disk: no new opens, no new I/O. The data is released with the last
/// reference to the disk, which tasks that have it open may hold. May sleep. Takes the disk's
/// mutex, so the caller must not hold it.
///
/// # Invariants
///
/// `disk` was added with `T`'s operations, and `self` owns the reference from its allocation.
pub struct OwnedDisk<T: DiskOperations> {
    disk: NonNull<bindings::gendisk>,
    tag_set: Option<Pin<KBox<TagSet<T>>>>,
}

// SAFETY: Any task may use and remove a disk, and the driver's data is `Send`.
unsafe impl<T: DiskOperations> Send for OwnedDisk<T> {}
// SAFETY: A shared `OwnedDisk` gives access to a `Disk`, which is `Sync`.
unsafe impl<T: DiskOperations> Sync for OwnedDisk<T> {}

impl<T: DiskOperations> OwnedDisk<T> {
    /// Makes a disk of capacity 0, which appears in `/dev` as `name`, and adds it. May sleep.
    ///
    /// Fails with `ENOMEM`; `EINVAL` if limits, tags or name are refused; `ENODEV` without a
    /// [`DiskDriver`]; or with the error of `device_add_disk()`.
    pub fn new(
        name: fmt::Arguments<'_>,
        params: DiskParams,
        data: impl PinInit<T::DiskData, Error>,
        state: impl PinInit<Mutex<T::State>>,
    ) -> Result<Self> {
        // Declared first, so dropped last if this fails.
        let user = DiskUser::<T>::get()?;
        let private = KBox::try_pin_init(
            try_pin_init!(Private::<T> {
                data <- data,
                state <- state,
                // INVARIANT: The pointer is null.
                config: Atomic::new(core::ptr::null_mut()),
                quiesced: AtomicFlag::new(false),
            }),
            GFP_KERNEL,
        )?;
        let tag_set = KBox::try_pin_init(TagSet::<T>::new(params.tag_set), GFP_KERNEL)?;
        let mut limits = params.limits;
        // From here on C owns the private data. For a disk that was added, `free_disk` makes a box
        // of it again; otherwise the guard does.
        //
        // SAFETY: The box is not moved out of: the data stays in place until it is dropped there.
        let private = KBox::into_raw(unsafe { Pin::into_inner_unchecked(private) });
        let private = ScopeGuard::new_with_data(private, |private| {
            // SAFETY: The pointer comes from `into_raw`. The disk that pointed to it is gone: its
            // guard is declared later, and so dropped before.
            drop(unsafe { KBox::from_raw(private) });
        });

        // The block layer registers hardware queues for CPU hotplug before it initialises the lists
        // of the software queues, which the hotplug callback follows. With one hardware queue the
        // window is small. With several, it is as long as a CPU takes to go: the registration of
        // each further queue waits for that. See `doc/cpu-hotplug.md`.
        let hotplug_disabled = HotplugDisabled::new();
        // SAFETY: The tag set was allocated, and outlives the queue: it is released after
        // `del_gendisk()` in `drop`, or after `put_disk()` below. So does the private data. The
        // lock class is static.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_mq_alloc_disk(
                tag_set.as_ptr(),
                limits.as_mut_ptr(),
                private.cast(),
                params.lock_class.as_ptr(),
            )
        })?;
        drop(hotplug_disabled);
        // Declared last, so dropped first: `put_disk()` takes the queue down while the tag set and
        // the private data still exist.
        //
        // SAFETY: The guard owns the reference from the allocation above.
        let mut disk = ScopeGuard::new_with_data(disk, |disk| unsafe { bindings::put_disk(disk) });

        // SAFETY: The disk is valid, and was not added, so nobody else uses it.
        unsafe {
            (**disk).major = params.major as c_int;
            (**disk).first_minor = params.first_minor as c_int;
            (**disk).minors = params.minors as c_int;
            (**disk).fops = T::vtable().as_ptr();
            (**disk).private_data = private.cast();
            (**disk).events = bindings::DISK_EVENT_MEDIA_CHANGE as c_ushort;
            (**disk).event_flags = bindings::DISK_EVENT_FLAG_UEVENT as c_ushort;
            rust_helper_disk_suppress_part_scan(*disk, !params.partition_scan);
        }
        // SAFETY: The disk is valid, and was not added, so nobody else uses it.
        let disk_name = unsafe { &mut (**disk).disk_name };
        NullTerminatedFormatter::new(disk_name)
            .ok_or(EINVAL)?
            .write_fmt(name)
            .map_err(|_| EINVAL)?;

        // SAFETY: The disk is valid, and its fields were set above.
        to_result(unsafe {
            bindings::device_add_disk(core::ptr::null_mut(), *disk, core::ptr::null_mut())
        })?;

        private.dismiss();
        user.leave_to_disk();
        // SAFETY: `__blk_mq_alloc_disk()` has succeeded, so the pointer is not null.
        let disk = unsafe { NonNull::new_unchecked(disk.dismiss()) };
        // INVARIANT: The disk was added above; the guard's reference is `self`'s now.
        Ok(Self {
            disk,
            tag_set: Some(tag_set),
        })
    }
}

impl<T: DiskOperations> Deref for OwnedDisk<T> {
    type Target = Disk<T>;

    fn deref(&self) -> &Disk<T> {
        // SAFETY: By the type invariants the disk is live, and was made by `OwnedDisk<T>`.
        unsafe { Disk::from_raw(self.disk.as_ptr()) }
    }
}

impl<T: DiskOperations> Drop for OwnedDisk<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the disk was added; `drop` removes it once.
        unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        // `sysfs::create_group()` relies on `dead` to add no files to a removed device.
        kernel::warn_on!(!is_dead::<Disk<T>>(self));
        // `del_gendisk()` took down the queue, which used the tags. A task that holds the mutex and
        // finds the disk not dead may still use them.
        let tag_set = self.tag_set.take();
        let guard = self.lock();
        drop(tag_set);
        drop(guard);
        // SAFETY: `self` owns this reference, and does not use the disk again.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
    }
}
