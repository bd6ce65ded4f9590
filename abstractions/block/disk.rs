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
    error::{from_err_ptr, from_result, to_result, VTABLE_DEFAULT_ERROR},
    fmt,
    fs::{File, LocalFile},
    prelude::*,
    str::NullTerminatedFormatter,
    sync::{
        aref::{ARef, AlwaysRefCounted},
        atomic::{Acquire, Atomic, AtomicFlag, Full, Relaxed},
        LockClassKey, Mutex,
    },
    types::{NotThreadSafe, Opaque, ScopeGuard},
    ThisModule,
};

mod guard;
mod open;
mod partition;

pub use guard::{DiskGuard, Frozen};
pub use open::OpenLocked;
pub use partition::Partition;

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_wait_until_zero(count: *mut i32);
    safe fn rust_helper_synchronize_rcu_tasks();
    fn rust_helper_disk_openers(disk: *mut bindings::gendisk) -> c_uint;
    fn rust_helper_disk_suppress_part_scan(disk: *mut bindings::gendisk, suppress: bool);
    fn rust_helper_disk_to_dev(disk: *mut bindings::gendisk) -> *mut bindings::device;
    fn rust_helper_dev_to_disk(dev: *mut bindings::device) -> *mut bindings::gendisk;
    fn rust_helper_queue_logical_block_size(q: *mut bindings::request_queue) -> c_uint;
    fn rust_helper_queue_dma_alignment(q: *mut bindings::request_queue) -> c_uint;
}

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

/// The disk side of a block driver: its block device operations.
#[vtable]
pub trait DiskOperations: Operations + HasDiskVTable {
    /// The module that stays loaded while a disk is open.
    const OWNER: &'static ThisModule;

    /// The disk, or a partition of it, is being opened. Called under `open_mutex`; may sleep.
    fn open(disk: &Disk<Self>) -> Result;

    /// The disk, or a partition of it, was closed. Called under `open_mutex`; may sleep.
    fn release(disk: &OpenLocked<'_, Self>);

    /// An ioctl that the block layer does not handle. May sleep.
    fn ioctl(ioctl: Ioctl<'_, Self>) -> Result<i32>;

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
                    $crate::abstractions::block::disk::DiskVTable::new();

                &VTABLE
            }
        }
    };
}
pub(crate) use disk_vtable;

/// The `struct block_device_operations` of a driver.
pub struct DiskVTable<T: DiskOperations> {
    ops: bindings::block_device_operations,
    /// One for the [`DiskDriver`], and one for each disk whose data is not released; 0 without a
    /// `DiskDriver`.
    users: Atomic<i32>,
    _p: PhantomData<fn() -> T>,
}

// SAFETY: The operations are never written to, and `users` is atomic.
unsafe impl<T: DiskOperations> Sync for DiskVTable<T> {}

impl<T: DiskOperations> DiskVTable<T> {
    /// Builds the operations.
    pub const fn new() -> Self {
        Self {
            ops: bindings::block_device_operations {
                open: Some(Self::open),
                release: Some(Self::release),
                ioctl: Some(Self::ioctl),
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
            users: Atomic::new(0),
            _p: PhantomData,
        }
    }

    /// Adds a user; `ENODEV` without a [`DiskDriver`].
    fn get(&self) -> Result {
        let mut users = self.users.load(Relaxed);
        while users != 0 {
            match self
                .users
                .cmpxchg(users, users.checked_add(1).ok_or(ENOMEM)?, Full)
            {
                Ok(_) => return Ok(()),
                Err(now) => users = now,
            }
        }
        Err(ENODEV)
    }

    /// Removes a user. If the caller does not keep the module, it may only return after this.
    fn put(&self) {
        // A full barrier, as `wake_up_var()` requires.
        if self.users.fetch_sub(1, Full) == 1 {
            // SAFETY: `wake_up_var()` uses the address to find waiters, and does not read from it.
            unsafe { bindings::wake_up_var(self.users.as_ptr().cast()) };
        }
    }

    pub(super) fn as_ptr(&self) -> *const bindings::block_device_operations {
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
    /// `bdev` must be open, and belong to a disk with these operations. The caller is the ioctl
    /// operation, and `'a` ends before that returns.
    unsafe fn context<'a>(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> Ioctl<'a, T> {
        // SAFETY: By the safety requirements `bdev` is open, which keeps its disk live, and the
        // disk has these operations.
        let disk = unsafe { Disk::from_raw((*bdev).bd_disk) };
        // INVARIANT: The caller passes this to a function that works for any `'a`, and so cannot
        // keep it.
        Ioctl {
            disk,
            // SAFETY: By the safety requirements `bdev` is open during `'a`.
            bdev: unsafe { BlockDevice::from_raw(bdev) },
            mode: OpenMode(mode),
            cmd,
            arg,
            _not_send: NotThreadSafe,
        }
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
        from_result(|| T::ioctl(unsafe { Self::context(bdev, mode, cmd, arg) }))
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
        from_result(|| T::compat_ioctl(unsafe { Self::context(bdev, mode, cmd, arg) }))
    }

    /// # Safety
    ///
    /// Called by the block layer only, when the last reference to an added disk is gone.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: `OwnedDisk::new` stored a box in `private_data`. The queue is gone, and this was
        // the last reference, so nobody borrows the data.
        drop(unsafe { KBox::from_raw((*disk).private_data.cast::<Private<T>>()) });
        // `DiskDriver::drop` may wait for this. From here on the module is not kept.
        T::vtable().put();
    }
}

/// Keeps the code of a driver until the data of its last disk is released. A module has one for
/// each driver, and drops it last.
///
/// Removing a disk need not release its data. A task may hold a reference to the disk's device
/// without one to the module: a write to `io.max` of a cgroup does, and so does an open that has
/// not succeeded yet. The task that puts the last reference calls `free_disk()`, which is code of
/// the module.
///
/// # Invariants
///
/// This is one of `users` of the vtable of `T`. There is no other `DiskDriver<T>`.
pub struct DiskDriver<T: DiskOperations>(PhantomData<fn() -> T>);

impl<T: DiskOperations> DiskDriver<T> {
    /// Allows disks of `T` to be made. Fails with `EBUSY` if there is a `DiskDriver` for `T`, or a
    /// disk of an earlier one.
    pub fn new() -> Result<Self> {
        // INVARIANT: This is the one user, since no other function adds the first one.
        match T::vtable().users.cmpxchg(0, 1, Full) {
            Ok(_) => Ok(Self(PhantomData)),
            Err(_) => Err(EBUSY),
        }
    }
}

impl<T: DiskOperations> Drop for DiskDriver<T> {
    /// Waits until the data of the last disk is released, and the task that did so has left
    /// `free_disk()`. May sleep.
    fn drop(&mut self) {
        let users = &T::vtable().users;
        users.fetch_sub(1, Full);
        // SAFETY: The counter is in a static.
        unsafe { rust_helper_wait_until_zero(users.as_ptr()) };
        // That task may be preempted between `put` and the end of `free_disk`.
        rust_helper_synchronize_rcu_tasks();
    }
}

/// One user of a [`DiskVTable`], removed when dropped.
struct DiskUser<T: DiskOperations>(PhantomData<fn() -> T>);

impl<T: DiskOperations> DiskUser<T> {
    fn get() -> Result<Self> {
        T::vtable().get()?;
        Ok(Self(PhantomData))
    }

    /// Leaves the removal to `free_disk`.
    fn leave_to_disk(self) {
        core::mem::forget(self);
    }
}

impl<T: DiskOperations> Drop for DiskUser<T> {
    fn drop(&mut self) {
        T::vtable().put();
    }
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
