// SPDX-License-Identifier: GPL-2.0

//! A disk as its driver owns it: made and added, and removed when dropped.

use super::{
    super::{
        limits::QueueLimits,
        mq::{TagSet, TagSetParams},
    },
    driver::DiskUser,
    rust_helper_disk_suppress_part_scan, Disk, DiskOperations, EarlyDisk, Private,
};
use crate::abstractions::{
    cpu::HotplugDisabled,
    sysfs::{is_dead, AttributeGroups},
};
use core::{fmt::Write, ops::Deref, ptr::NonNull};
use kernel::{
    bindings,
    error::{from_err_ptr, to_result},
    fmt,
    prelude::*,
    str::NullTerminatedFormatter,
    sync::{LockClassKey, Mutex},
    types::ScopeGuard,
};

/// Parameters of a new disk.
pub struct DiskParams<T: DiskOperations> {
    /// Major device number; 0, with `minors` 0, for a number that the block layer chooses.
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
    /// Attributes that the disk has from the event that announces it until it is removed.
    pub attributes: Option<&'static AttributeGroups<EarlyDisk<T>>>,
    /// Lockdep class for tasks that wait for bios to this disk.
    pub lock_class: Pin<&'static LockClassKey>,
}

impl<T: DiskOperations> DiskParams<T> {
    /// A disk with a number that the block layer chooses, without partitions and attributes.
    pub fn new(
        limits: QueueLimits,
        tag_set: TagSetParams,
        lock_class: Pin<&'static LockClassKey>,
    ) -> Self {
        Self {
            major: 0,
            first_minor: 0,
            minors: 0,
            partition_scan: false,
            limits,
            tag_set,
            attributes: None,
            lock_class,
        }
    }
}

/// A disk that the driver has added, so that userspace sees it.
///
/// Dropping it removes the disk: no new opens, no new I/O. The data is released with the last
/// reference to the disk, which tasks that have it open may hold. May sleep. Waits for tasks
/// that hold a [`QueuesGuard`](super::QueuesGuard), so the caller must not have one.
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
    /// [`DiskDriver`](super::DiskDriver); or with the error of `device_add_disk()`.
    pub fn new(
        name: fmt::Arguments<'_>,
        params: DiskParams<T>,
        data: impl PinInit<T::DiskData, Error>,
        state: impl PinInit<Mutex<T::State>>,
    ) -> Result<Self> {
        // Declared first, so dropped last if this fails.
        let user = DiskUser::<T>::get()?;
        let private = KBox::try_pin_init(Private::<T>::new(data, state), GFP_KERNEL)?;
        let tag_set = KBox::try_pin_init(TagSet::<T>::new(params.tag_set)?, GFP_KERNEL)?;
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

        // SAFETY: The private data is valid. The tag set outlives the queue: it is released after
        // `del_gendisk()` in `drop`, or after `put_disk()` below. So does the private data.
        let disk = unsafe { Self::alloc(&tag_set, params.limits, *private, params.lock_class) }?;
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

        let groups = params
            .attributes
            .map_or(core::ptr::null_mut(), AttributeGroups::as_ptr);
        // SAFETY: The disk is valid, and its fields were set above. The groups are static, and
        // those of an `EarlyDisk<T>`.
        to_result(unsafe { bindings::device_add_disk(core::ptr::null_mut(), *disk, groups) })?;

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

    /// Allocates a disk that is not added yet, with a queue that has `private` as its data. Never
    /// null. May sleep.
    ///
    /// # Safety
    ///
    /// `private` is valid. `tags` and `private` outlive the queue.
    unsafe fn alloc(
        tags: &TagSet<T>,
        mut limits: QueueLimits,
        private: *mut Private<T>,
        lock_class: Pin<&'static LockClassKey>,
    ) -> Result<*mut bindings::gendisk> {
        // The block layer registers hardware queues for CPU hotplug before it initialises the lists
        // of the software queues, which the hotplug callback follows. With one hardware queue the
        // window is small. With several, it is as long as a CPU takes to go: the registration of
        // each further queue waits for that. See `doc/cpu-hotplug.md`.
        let _hotplug_disabled = HotplugDisabled::enter();
        // SAFETY: The tag set is allocated, and by the safety requirements outlives the queue, as
        // the private data does. The lock class is static.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_mq_alloc_disk(
                tags.as_ptr(),
                limits.as_mut_ptr(),
                private.cast(),
                lock_class.as_ptr(),
            )
        })?;
        // The block layer has set this because there is a map for poll queues.
        //
        // SAFETY: The disk was allocated above, with its queue, and nobody else uses them yet.
        unsafe { QueueLimits::init_poll((*disk).queue, tags.counts().poll > 0) };
        Ok(disk)
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
        // found the disk not dead may still use them.
        let tag_set = self.tag_set.take();
        let queues = self.private().queues.lock();
        drop(tag_set);
        drop(queues);
        // SAFETY: `self` owns this reference, and does not use the disk again.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
    }
}
