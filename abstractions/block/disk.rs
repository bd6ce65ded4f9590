// SPDX-License-Identifier: GPL-2.0

//! Disks of a blk-mq driver.
//!
//! Ownership: an [`OwnedDisk`] owns the `struct gendisk`, which owns the driver's data. Whatever the
//! driver does with a disk it does through a borrowed [`Disk`], so that there is no circle of
//! references. Where it takes an [`ARef`], work on a queue that the data owns must not put the last one.
//! An open block device keeps the disk and its data, but not the [`OwnedDisk`]. A reference to the disk's device
//! alone keeps them too, and [`DiskDriver`] has the module's exit wait for it.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    device::BlockDevice,
    limits::QueueLimits,
    mq::{Operations, TagSet, TagSetParams},
};
use crate::abstractions::{
    cpu::HotplugDisabled,
    sync::LockKillable,
    sysfs::{is_dead, DeviceOwner},
};
use core::{
    fmt::Write,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};
use kernel::{
    bindings,
    error::{from_err_ptr, from_result, to_result, VTABLE_DEFAULT_ERROR},
    fmt,
    fs::{File, LocalFile},
    prelude::*,
    str::NullTerminatedFormatter,
    sync::{
        aref::{ARef, AlwaysRefCounted},
        atomic::{Acquire, Atomic, AtomicFlag, Full, Relaxed, Release},
        rcu, LockClassKey, Mutex, MutexGuard,
    },
    time::Jiffies,
    types::{NotThreadSafe, Opaque, ScopeGuard},
    ThisModule,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_wait_until_zero(count: *mut i32);
    safe fn rust_helper_synchronize_rcu_tasks();
    fn rust_helper_disk_openers(disk: *mut bindings::gendisk) -> c_uint;
    fn rust_helper_disk_suppress_part_scan(disk: *mut bindings::gendisk, suppress: bool);
    fn rust_helper_disk_to_dev(disk: *mut bindings::gendisk) -> *mut bindings::device;
    fn rust_helper_dev_to_disk(dev: *mut bindings::device) -> *mut bindings::gendisk;
    fn rust_helper_dev_get_uevent_suppress(dev: *mut bindings::device) -> bool;
    fn rust_helper_dev_set_uevent_suppress(dev: *mut bindings::device, val: c_int);
    fn rust_helper_blk_mq_freeze_queue(q: *mut bindings::request_queue) -> c_uint;
    fn rust_helper_blk_mq_freeze_queue_timeout(
        q: *mut bindings::request_queue,
        timeout: c_ulong,
        memflags: *mut c_uint,
    ) -> bool;
    fn rust_helper_disk_is_dead(disk: *mut bindings::gendisk) -> bool;
    fn rust_helper_blk_mq_unfreeze_queue(q: *mut bindings::request_queue, memflags: c_uint);
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
    /// Whether it may be written to (`BLK_OPEN_WRITE`).
    pub fn is_write(self) -> bool {
        self.0 & BLK_OPEN_WRITE != 0
    }

    /// Whether it is held exclusively (`BLK_OPEN_EXCL`).
    pub fn is_exclusive(self) -> bool {
        self.0 & BLK_OPEN_EXCL != 0
    }
}

/// An ioctl on a block device, in the context of the system call.
///
/// # Invariants
///
/// Exists only in the system call that it stands for.
pub struct Ioctl<'a, T: Operations> {
    disk: &'a Disk<T>,
    bdev: &'a BlockDevice,
    mode: OpenMode,
    cmd: u32,
    arg: usize,
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> Ioctl<'a, T> {
    /// The disk that the device is or is a part of.
    pub fn disk(&self) -> &'a Disk<T> {
        self.disk
    }

    /// The device that was opened.
    pub fn bdev(&self) -> &'a BlockDevice {
        self.bdev
    }

    /// How it was opened.
    pub fn mode(&self) -> OpenMode {
        self.mode
    }

    /// Number of the ioctl.
    pub fn cmd(&self) -> u32 {
        self.cmd
    }

    /// Its argument: a number, or an address in the caller's memory. The compat call passes it as the
    /// 32-bit program gave it.
    pub fn arg(&self) -> usize {
        self.arg
    }

    /// Gets a file by the caller's descriptor (`fget()`); `EBADF` if there is none.
    pub fn fget(&self, fd: u32) -> Result<ARef<File>> {
        let file = LocalFile::fget(fd)?;
        // SAFETY: By the type invariants this task is in `ioctl()`, which does not use `fdget_pos`.
        Ok(unsafe { LocalFile::assume_no_fdget_pos(file) })
    }
}

/// The disk side of a block driver: its block device operations.
#[vtable]
pub trait DiskOperations: Operations + HasDiskVTable {
    /// The module that has to stay while a disk is open.
    const OWNER: &'static ThisModule;

    /// The disk, or a partition of it, is being opened. Called under `open_mutex`; may sleep.
    fn open(disk: &Disk<Self>) -> Result;

    /// The disk, or a partition of it, was closed. Called under `open_mutex`; may sleep.
    fn release(disk: &OpenLocked<'_, Self>);

    /// An ioctl that the block layer does not know. May sleep.
    fn ioctl(ioctl: Ioctl<'_, Self>) -> Result<i32>;

    /// An ioctl of a 32-bit program, known to the block layer or not. May sleep.
    #[cfg_attr(not(CONFIG_COMPAT), allow(dead_code))]
    fn compat_ioctl(_ioctl: Ioctl<'_, Self>) -> Result<i32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The driver's operations as C sees them; implemented by [`disk_vtable!`].
///
/// # Safety
///
/// `vtable` must return the same static on each call, which is used for no other driver: its address
/// tells the driver's disks from others.
pub unsafe trait HasDiskVTable: Sized {
    /// The static.
    fn vtable() -> &'static DiskVTable<Self>
    where
        Self: DiskOperations;
}

/// Implements [`HasDiskVTable`] for a driver, a type without generic parameters.
macro_rules! disk_vtable {
    ($driver:ty) => {
        #[allow(unsafe_code)]
        // SAFETY: There is one static, of a type that names the driver.
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
    /// The [`DiskDriver`], and each disk whose data is not released; 0 without a `DiskDriver`.
    users: Atomic<i32>,
    _p: PhantomData<fn() -> T>,
}

// SAFETY: The operations are never written to.
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

    /// Removes a user. A caller that does not keep the module may only return after this.
    fn put(&self) {
        // A full barrier, as `wake_up_var()` asks for.
        if self.users.fetch_sub(1, Full) == 1 {
            // SAFETY: The address tells waiters apart, and is not read from.
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
        // INVARIANT: The block layer holds `open_mutex` during this call.
        T::release(&OpenLocked {
            disk,
            _not_send: NotThreadSafe,
        });
    }

    /// # Safety
    ///
    /// `bdev` must be open, and belong to a disk with these operations. This is called by the ioctl
    /// operation, before the end of which `'a` ends.
    unsafe fn context<'a>(
        bdev: *mut bindings::block_device,
        mode: bindings::blk_mode_t,
        cmd: c_uint,
        arg: c_ulong,
    ) -> Ioctl<'a, T> {
        // SAFETY: By the safety requirements.
        let disk = unsafe { Disk::from_raw((*bdev).bd_disk) };
        // INVARIANT: The caller passes it to a function that works for any `'a`, and so cannot keep it.
        Ioctl {
            disk,
            // SAFETY: By the safety requirements.
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
        // SAFETY: `OwnedDisk::new` stored a box there. The queue is gone, so nobody borrows it.
        drop(unsafe { KBox::from_raw((*disk).private_data.cast::<Private<T>>()) });
        // The module's exit may wait for this: from here on the module is not kept.
        T::vtable().put();
    }
}

/// Keeps the code of a driver until the data of its last disk is released. A module has one for each driver, and
/// drops it last.
///
/// Removing a disk need not release its data. A task may have a reference to the disk's device without one to the
/// module: to write its number to `io.max` of a cgroup takes one, and so does an open before it fails. Whoever puts
/// the last reference calls `free_disk()`, which is code of the module.
///
/// # Invariants
///
/// It stands for one of `users` of the vtable of `T`, and there is no other one.
pub struct DiskDriver<T: DiskOperations>(PhantomData<fn() -> T>);

impl<T: DiskOperations> DiskDriver<T> {
    /// Lets disks be made. Fails with `EBUSY` if there is one for `T`, or disks of an earlier one.
    pub fn new() -> Result<Self> {
        // INVARIANT: Only this adds a user where there is none.
        match T::vtable().users.cmpxchg(0, 1, Full) {
            Ok(_) => Ok(Self(PhantomData)),
            Err(_) => Err(EBUSY),
        }
    }
}

impl<T: DiskOperations> Drop for DiskDriver<T> {
    /// Waits until the data of the last disk is released, and until the task that did so has left `free_disk()`.
    /// May sleep.
    fn drop(&mut self) {
        let users = &T::vtable().users;
        users.fetch_sub(1, Full);
        // SAFETY: It is a static.
        unsafe { rust_helper_wait_until_zero(users.as_ptr()) };
        // That task may be preempted between the end of `put` and that of `free_disk`.
        rust_helper_synchronize_rcu_tasks();
    }
}

/// One user of a [`DiskVTable`], given up when dropped.
struct DiskUser<T: DiskOperations>(PhantomData<fn() -> T>);

impl<T: DiskOperations> DiskUser<T> {
    fn get() -> Result<Self> {
        T::vtable().get()?;
        Ok(Self(PhantomData))
    }

    /// Leaves it to `free_disk` to give it up.
    fn leave_to_disk(self) {
        core::mem::forget(self);
    }
}

impl<T: DiskOperations> Drop for DiskUser<T> {
    fn drop(&mut self) {
        T::vtable().put();
    }
}

/// What a disk, and its queue, point to as the driver's.
///
/// # Invariants
///
/// `config` is null or comes from [`KBox::into_raw`], and belongs to this. The pointer changes only
/// under `state`. What it points to changes only under `state` with the queue frozen.
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
    /// Remembers whether those who were in `queue_rq` when the disk's last request ended have left it. Returns what
    /// was remembered before.
    pub(super) fn set_quiesced(&self, quiesced: bool) -> bool {
        self.quiesced.xchg(quiesced, Relaxed)
    }

    pub(super) fn data(&self) -> &T::DiskData {
        &self.data
    }

    pub(super) fn config(&self) -> *const T::Config {
        // Pairs with `DiskGuard::publish`.
        self.config.load(Acquire).cast_const()
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Private<T> {
    fn drop(self: Pin<&mut Self>) {
        let config = self.config.load(Relaxed);
        if !config.is_null() {
            // SAFETY: By the type invariants.
            drop(unsafe { KBox::from_raw(config) });
        }
    }
}

/// A `struct gendisk` of the driver `T`.
///
/// # Invariants
///
/// A reference to one is a live disk made by [`OwnedDisk<T>`].
#[repr(transparent)]
pub struct Disk<T: Operations> {
    disk: Opaque<bindings::gendisk>,
    _p: PhantomData<T>,
}

// SAFETY: The last reference may be put by any task, and the driver's data is `Send`.
unsafe impl<T: Operations> Send for Disk<T> {}
// SAFETY: The methods may be called from any task, and the driver's data is `Sync`.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    /// # Safety
    ///
    /// The type invariants hold for `disk` during `'a`.
    pub(super) unsafe fn from_raw<'a>(disk: *mut bindings::gendisk) -> &'a Self {
        // SAFETY: By the safety requirement; the type is transparent.
        unsafe { &*disk.cast() }
    }

    fn as_ptr(&self) -> *mut bindings::gendisk {
        self.disk.get()
    }

    pub(super) fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: A disk has one queue for life.
        unsafe { (*self.as_ptr()).queue }
    }

    fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariants; the private data lives as long as the disk.
        unsafe { &*(*self.as_ptr()).private_data.cast::<Private<T>>() }
    }

    fn device(&self) -> *mut bindings::device {
        // SAFETY: The disk is live.
        unsafe { rust_helper_disk_to_dev(self.as_ptr()) }
    }

    /// The driver's data.
    pub fn data(&self) -> &T::DiskData {
        &self.private().data
    }

    /// Locks the disk's mutex. May sleep.
    pub fn lock(&self) -> DiskGuard<'_, T> {
        DiskGuard {
            disk: self,
            state: self.private().state.lock(),
        }
    }

    /// Locks the disk's mutex; `EINTR` if the task is killed while it waits. May sleep.
    pub fn lock_killable(&self) -> Result<DiskGuard<'_, T>> {
        Ok(DiskGuard {
            disk: self,
            state: self.private().state.lock_killable()?,
        })
    }

    /// Locks the disk's mutex if nobody has it.
    pub fn try_lock(&self) -> Option<DiskGuard<'_, T>> {
        Some(DiskGuard {
            disk: self,
            state: self.private().state.try_lock()?,
        })
    }

    /// The block device that is the whole disk.
    pub fn part0(&self) -> &BlockDevice {
        // SAFETY: Part 0 lives as long as the disk.
        unsafe { BlockDevice::from_raw((*self.as_ptr()).part0) }
    }

    /// The block device of a partition, if there is one of that number. Without `open_mutex` it may be removed at any
    /// time.
    fn partition_device(&self, number: u32) -> Option<ARef<BlockDevice>> {
        let _rcu = rcu::read_lock();
        // SAFETY: The disk is live, and its table has block devices.
        let bdev =
            unsafe { bindings::xa_load(&raw mut (*self.as_ptr()).part_tbl, number as c_ulong) };
        let bdev = NonNull::new(bdev.cast::<bindings::block_device>())?;
        // SAFETY: A device that was in the table is freed after an RCU grace period.
        let kobj =
            unsafe { bindings::kobject_get_unless_zero(&raw mut (*bdev.as_ptr()).bd_device.kobj) };
        // SAFETY: The reference was taken above.
        (!kobj.is_null()).then(|| unsafe { ARef::from_raw(bdev.cast()) })
    }

    /// Drops clean pages of the page caches of the disk and of its partitions, also those that somebody uses: see
    /// [`BlockDevice::invalidate_in_use`]. Under `open_mutex` others would wait to open or close the disk meanwhile.
    pub fn invalidate_in_use(&self) {
        self.part0().invalidate_in_use();
        for number in 1..=Partition::MAX_NUMBER {
            if let Some(device) = self.partition_device(number) {
                device.invalidate_in_use();
            }
        }
    }

    /// How often the disk and its partitions are open (`disk_openers()`). Stable only under
    /// `open_mutex`.
    pub fn openers(&self) -> u32 {
        // SAFETY: The disk is live.
        unsafe { rust_helper_disk_openers(self.as_ptr()) }
    }

    /// Logical block size of the queue in bytes.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: The disk and its queue are live.
        unsafe { rust_helper_queue_logical_block_size(self.queue()) }
    }

    /// The mask that a buffer's address must not have bits in common with (`queue_dma_alignment()`).
    pub fn dma_alignment(&self) -> u32 {
        // SAFETY: The disk and its queue are live.
        unsafe { rust_helper_queue_dma_alignment(self.queue()) }
    }

    /// Sets the capacity in 512-byte sectors. If it is another one than before, userspace gets a
    /// change event with `RESIZE=1`, and this returns true (`set_capacity_and_notify()`). May sleep.
    pub fn set_capacity_and_notify(&self, sectors: u64) -> bool {
        // SAFETY: The disk is live.
        unsafe { bindings::set_capacity_and_notify(self.as_ptr(), sectors) }
    }

    /// Marks the disk read-only or not, with an event to userspace (`set_disk_ro()`). May sleep.
    pub fn set_read_only(&self, read_only: bool) {
        // SAFETY: The disk is live.
        unsafe { bindings::set_disk_ro(self.as_ptr(), read_only) };
    }

    /// Says that there is another medium (`disk_force_media_change()`). May sleep.
    pub fn force_media_change(&self) {
        // SAFETY: The disk is live.
        unsafe { bindings::disk_force_media_change(self.as_ptr()) };
    }

    /// Drops all buffers and sets the capacity to 0 (`invalidate_disk()`). May sleep.
    pub fn invalidate(&self) {
        // SAFETY: The disk is live.
        unsafe { bindings::invalidate_disk(self.as_ptr()) };
    }

    /// Says whether the block layer looks for partitions when the disk is opened.
    pub fn set_partition_scan(&self, on: bool) {
        // SAFETY: The disk is live.
        unsafe { rust_helper_disk_suppress_part_scan(self.as_ptr(), !on) };
    }

    /// Locks `open_mutex`, so the disk's mutex must not be held. May sleep.
    pub fn lock_open(&self) -> OpenGuard<'_, T> {
        // SAFETY: The disk is live; its mutex was set up when it was allocated.
        unsafe { bindings::mutex_lock(&raw mut (*self.as_ptr()).open_mutex) };
        // INVARIANT: Locked above.
        OpenGuard(OpenLocked {
            disk: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Sends a change event to userspace. May sleep.
    pub fn change_uevent(&self) {
        // SAFETY: The disk is live. There is nothing to be done where the event cannot be sent.
        unsafe {
            bindings::kobject_uevent(
                &raw mut (*self.device()).kobj,
                bindings::kobject_action_KOBJ_CHANGE,
            )
        };
    }

    /// The same for the disk and each partition (`disk_uevent()`).
    pub fn change_uevent_of_all(&self) {
        // SAFETY: The disk is live.
        unsafe { bindings::disk_uevent(self.as_ptr(), bindings::kobject_action_KOBJ_CHANGE) };
    }
}

// SAFETY: A reference to the disk's device keeps the disk, and with it the private data.
unsafe impl<T: Operations> AlwaysRefCounted for Disk<T> {
    fn inc_ref(&self) {
        // SAFETY: The disk is live.
        unsafe { bindings::get_device(self.device()) };
    }

    unsafe fn dec_ref(disk: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the disk is live.
        unsafe { bindings::put_device(disk.as_ref().device()) };
    }
}

// SAFETY: The device is a part of the disk; `dev_to_disk()` finds it. A device that somebody refers to
// keeps its disk.
unsafe impl<T: Operations> DeviceOwner for Disk<T> {
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the requirements of the trait `dev` comes from `as_device`.
        unsafe { Self::from_raw(rust_helper_dev_to_disk(dev)) }
    }

    fn as_device(&self) -> *mut bindings::device {
        self.device()
    }
}

/// A disk whose mutex is held, and that sends no events to userspace until this is dropped.
///
/// The mutex keeps two tasks from suppressing events at once: the first one to end would end that of the other, and
/// the bit shares a word with others.
#[must_use = "events are sent again at once when unused"]
pub struct UeventsSuppressed<'g, 'a, T: Operations> {
    guard: &'g mut DiskGuard<'a, T>,
    was_suppressed: bool,
}

impl<'a, T: Operations> Deref for UeventsSuppressed<'_, 'a, T> {
    type Target = DiskGuard<'a, T>;

    fn deref(&self) -> &DiskGuard<'a, T> {
        self.guard
    }
}

impl<T: Operations> DerefMut for UeventsSuppressed<'_, '_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.guard
    }
}

impl<T: Operations> Drop for UeventsSuppressed<'_, '_, T> {
    fn drop(&mut self) {
        let dev = self.guard.disk.device();
        // SAFETY: The disk is live, and its mutex is held.
        unsafe { rust_helper_dev_set_uevent_suppress(dev, self.was_suppressed.into()) };
    }
}

/// A disk whose `open_mutex` is held, by the block layer or by an [`OpenGuard`].
///
/// It does not dereference to the [`Disk`]: a function that takes one may lock `open_mutex`.
///
/// # Invariants
///
/// It is held as long as this exists.
pub struct OpenLocked<'a, T: Operations> {
    disk: &'a Disk<T>,
    /// Others would not have it held.
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> OpenLocked<'a, T> {
    /// The disk, for all that does not lock `open_mutex`.
    pub fn disk(&self) -> &'a Disk<T> {
        self.disk
    }

    /// Drops all partitions and looks for new ones (`bdev_disk_changed()`). Writes dirty pages of the disk's page cache
    /// before, of which errors are kept for whoever syncs a file system there. May sleep.
    ///
    /// Fails with `EBUSY` if one is open.
    pub fn rescan_partitions(&self) -> Result {
        self.disk.part0().mapping().keep_error(|| {
            // SAFETY: The disk is live, and by the type invariants `open_mutex` is held.
            to_result(unsafe { bindings::bdev_disk_changed(self.disk.as_ptr(), false) })
        })
    }

    /// The partition of that number, from 1 to [`Partition::MAX_NUMBER`], if there is one.
    pub fn partition(&self, number: u32) -> Option<Partition> {
        let device = self.disk.partition_device(number)?;
        let (uuid, name) = device.meta_info();
        Some(Partition {
            start: device.start(),
            sectors: device.sectors(),
            uuid,
            name,
        })
    }
}

/// What the block layer knows of a partition.
#[derive(PartialEq, Eq)]
pub struct Partition {
    /// Its first sector, of 512 bytes.
    pub start: u64,
    /// Its length in such sectors.
    pub sectors: u64,
    /// Printed, with a NUL; empty if the table has none. So is the name.
    pub uuid: [u8; bindings::PARTITION_META_INFO_UUIDLTH as usize],
    pub name: [u8; bindings::PARTITION_META_INFO_VOLNAMELTH as usize],
}

impl Partition {
    /// The last number that a scan gives to a partition.
    pub const MAX_NUMBER: u32 = bindings::DISK_MAX_PARTS - 1;
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            start: 0,
            sectors: 0,
            uuid: [0; bindings::PARTITION_META_INFO_UUIDLTH as usize],
            name: [0; bindings::PARTITION_META_INFO_VOLNAMELTH as usize],
        }
    }
}

/// Holds `open_mutex` until it is dropped.
///
/// # Invariants
///
/// `open_mutex` was locked for this, by the current task.
#[must_use = "the mutex is unlocked at once when unused"]
pub struct OpenGuard<'a, T: Operations>(OpenLocked<'a, T>);

impl<'a, T: Operations> Deref for OpenGuard<'a, T> {
    type Target = OpenLocked<'a, T>;

    fn deref(&self) -> &OpenLocked<'a, T> {
        &self.0
    }
}

impl<T: Operations> Drop for OpenGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The disk is live, and by the type invariants this task holds its mutex.
        unsafe { bindings::mutex_unlock(&raw mut (*self.disk.as_ptr()).open_mutex) };
    }
}

/// A disk whose mutex is held: access to its state, and to its configuration.
pub struct DiskGuard<'a, T: Operations> {
    disk: &'a Disk<T>,
    state: MutexGuard<'a, T::State>,
}

impl<'a, T: Operations> DiskGuard<'a, T> {
    /// The disk.
    pub fn disk(&self) -> &'a Disk<T> {
        self.disk
    }

    /// The configuration, if one is published.
    pub fn config(&self) -> Option<&T::Config> {
        // SAFETY: Whoever changes the configuration, or takes it away, borrows this guard, or one
        // that follows it, mutably.
        unsafe { self.disk.private().config().as_ref() }
    }

    /// Shows requests a configuration where there was none. Gives it back if there is one already.
    pub fn publish(&mut self, config: KBox<T::Config>) -> Result<(), KBox<T::Config>> {
        if self.config().is_some() {
            return Err(config);
        }
        // INVARIANT: The mutex is held, and the pointer was null. Pairs with `Private::config`.
        self.disk
            .private()
            .config
            .store(KBox::into_raw(config), Release);
        Ok(())
    }

    /// Takes the configuration away from requests that start from now on, waits for those that have it
    /// already, and returns it. May sleep.
    ///
    /// The same restriction as for [`freeze`](Self::freeze).
    pub fn take_config(&mut self) -> Option<KBox<T::Config>> {
        let config = &self.disk.private().config;
        // INVARIANT: The mutex is held.
        //
        // A full barrier, as `Request::start` has: requests that are not found below find null.
        let taken = config.xchg(core::ptr::null_mut(), Full);
        if taken.is_null() {
            return None;
        }
        // Freezing waits for an RCU grace period, which is long. Most of the time there is nobody to be
        // waited for.
        if self.has_started_requests() {
            drop(self.freeze());
        }
        // SAFETY: By the invariants of `Private` it comes from `KBox::into_raw`. No request borrows it:
        // none started since has it, and those before have ended. Nor does anybody else: that takes the
        // mutex, which is held through the guard that `self` borrows mutably.
        Some(unsafe { KBox::from_raw(taken) })
    }

    /// Whether any request is in the driver's hands. May change at once where it is false.
    pub fn has_started_requests(&self) -> bool {
        /// # Safety
        ///
        /// `data` points to a `bool` that nobody else uses.
        unsafe extern "C" fn found(_rq: *mut bindings::request, data: *mut c_void) -> bool {
            // SAFETY: By the safety requirement.
            unsafe { *data.cast::<bool>() = true };
            // No need to look at others.
            false
        }

        let mut any = false;
        // SAFETY: The disk is live.
        if unsafe { rust_helper_disk_is_dead(self.disk.as_ptr()) } {
            // All requests have ended, and the tags may be gone.
            return any;
        }
        // SAFETY: The disk and its queue are live. So are its tags: `OwnedDisk` releases them with the disk's mutex
        // held, when the disk is dead. `found` gets a variable that is not
        // used before the call returns.
        unsafe {
            bindings::blk_mq_tagset_busy_iter(
                (*self.disk.queue()).tag_set,
                Some(found),
                (&raw mut any).cast(),
            )
        };
        any
    }

    /// Sends no events to userspace until the result is dropped (`dev_set_uevent_suppress()`).
    pub fn suppress_uevents(&mut self) -> UeventsSuppressed<'_, 'a, T> {
        let dev = self.disk.device();
        // SAFETY: The disk is live, and its mutex is held.
        let was_suppressed = unsafe { rust_helper_dev_get_uevent_suppress(dev) };
        // SAFETY: As above.
        unsafe { rust_helper_dev_set_uevent_suppress(dev, 1) };
        UeventsSuppressed {
            guard: self,
            was_suppressed,
        }
    }

    /// Waits for all requests to end, and holds new ones back (`blk_mq_freeze_queue()`). May sleep.
    ///
    /// Must not be called by the work item of a request of this disk, even after that has ended: what
    /// is waited for may be a request that uses the same work item next.
    pub fn freeze(&mut self) -> Frozen<'_, 'a, T> {
        // SAFETY: The disk and its queue are live.
        let memflags = unsafe { rust_helper_blk_mq_freeze_queue(self.disk.queue()) };
        Frozen {
            guard: self,
            memflags,
        }
    }

    /// The same, but `None`, with new requests let in again, where it would take longer than so many jiffies.
    pub fn freeze_timeout(&mut self, timeout: Jiffies) -> Option<Frozen<'_, 'a, T>> {
        let mut memflags = 0;
        // SAFETY: The disk and its queue are live.
        let frozen = unsafe {
            rust_helper_blk_mq_freeze_queue_timeout(self.disk.queue(), timeout, &raw mut memflags)
        };
        frozen.then(|| Frozen {
            guard: self,
            memflags,
        })
    }
}

impl<T: Operations> Deref for DiskGuard<'_, T> {
    type Target = T::State;

    fn deref(&self) -> &T::State {
        &self.state
    }
}

impl<T: Operations> DerefMut for DiskGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T::State {
        &mut self.state
    }
}

/// A disk whose mutex is held and whose queue is frozen; thawed when dropped. While it exists the
/// task's memory allocations start no I/O.
///
/// # Invariants
///
/// No request of the disk is in the driver's hands.
pub struct Frozen<'g, 'a, T: Operations> {
    guard: &'g mut DiskGuard<'a, T>,
    memflags: c_uint,
}

impl<T: Operations> Frozen<'_, '_, T> {
    /// The configuration and the state, to be changed.
    pub fn parts(&mut self) -> (Option<&mut T::Config>, &mut T::State) {
        let config = self.guard.disk.private().config.load(Relaxed);
        // SAFETY: By the type invariants no request borrows the configuration, and the mutex, which
        // all others need, is held through the guard that `self` borrows mutably.
        (unsafe { config.as_mut() }, &mut self.guard.state)
    }
}

impl<T: Operations> Drop for Frozen<'_, '_, T> {
    fn drop(&mut self) {
        // SAFETY: `freeze` froze this queue once for `self`.
        unsafe { rust_helper_blk_mq_unfreeze_queue(self.guard.disk.queue(), self.memflags) };
    }
}

/// What a disk is made of.
pub struct DiskParams {
    /// Major device number.
    pub major: u32,
    /// First minor device number.
    pub first_minor: u32,
    /// Number of minor device numbers; 1 to have all partitions' numbers allocated dynamically.
    pub minors: u32,
    /// Whether partitions are looked for when the disk is opened.
    pub partition_scan: bool,
    /// Limits of the queue.
    pub limits: QueueLimits,
    /// Tags and hardware queues.
    pub tag_set: TagSetParams,
    /// Lockdep class of waiting for bios to this disk to end.
    pub lock_class: Pin<&'static LockClassKey>,
}

/// A disk that the driver made and userspace sees.
///
/// Dropping it removes it: no new opens, no new I/O. Its data is released when the last one who has
/// it open is gone. May sleep. Takes the disk's mutex, so whoever drops it must not hold that.
///
/// # Invariants
///
/// `disk` is a disk that was added with `T`'s operations, and `self` owns the reference that it was
/// born with.
pub struct OwnedDisk<T: DiskOperations> {
    disk: NonNull<bindings::gendisk>,
    tag_set: Option<Pin<KBox<TagSet<T>>>>,
}

// SAFETY: Any task may use and remove a disk, and the driver's data is `Send`.
unsafe impl<T: DiskOperations> Send for OwnedDisk<T> {}
// SAFETY: A shared `OwnedDisk` gives access to a `Disk`, which is `Sync`.
unsafe impl<T: DiskOperations> Sync for OwnedDisk<T> {}

impl<T: DiskOperations> OwnedDisk<T> {
    /// Makes a disk of capacity 0, which appears in `/dev` under `name`, and adds it. May sleep.
    ///
    /// Fails with `ENOMEM`; `EINVAL` if limits, tags or name are refused; `ENODEV` without a [`DiskDriver`]; or as
    /// adding it to sysfs does.
    pub fn new(
        name: fmt::Arguments<'_>,
        params: DiskParams,
        data: impl PinInit<T::DiskData, Error>,
        state: impl PinInit<Mutex<T::State>>,
    ) -> Result<Self> {
        // Declared first, so dropped last, where this fails.
        let user = DiskUser::<T>::get()?;
        let private = KBox::try_pin_init(
            try_pin_init!(Private::<T> {
                data <- data,
                state <- state,
                // INVARIANT: Null.
                config: Atomic::new(core::ptr::null_mut()),
                quiesced: AtomicFlag::new(false),
            }),
            GFP_KERNEL,
        )?;
        let tag_set = KBox::try_pin_init(TagSet::<T>::new(params.tag_set), GFP_KERNEL)?;
        let mut limits = params.limits;
        // From here on C owns it, and `free_disk` turns it into a box again, for a disk that was added.
        //
        // SAFETY: The box is not moved out of: it stays where it is, and is dropped there.
        let private = KBox::into_raw(unsafe { Pin::into_inner_unchecked(private) });
        let private = ScopeGuard::new_with_data(private, |private| {
            // SAFETY: It comes from `into_raw`, and the disk that knew it is gone.
            drop(unsafe { KBox::from_raw(private) });
        });

        // The block layer has each hardware queue told of CPUs that go before it has initialised the
        // software queues, whose lists are then followed. With one hardware queue the window is small;
        // with several, each further one waits in it until the CPU that is going has gone. See
        // `doc/cpu-hotplug.md`.
        let hotplug_disabled = HotplugDisabled::new();
        // SAFETY: The tag set was allocated, and outlives the queue: it is released after
        // `del_gendisk()` in `drop`, or after `put_disk()` below. So is the private data. The lock
        // class is static.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_mq_alloc_disk(
                tag_set.as_ptr(),
                limits.as_mut_ptr(),
                private.cast(),
                params.lock_class.as_ptr(),
            )
        })?;
        drop(hotplug_disabled);
        // Declared last, so dropped first: it takes the queue down while the tag set and the private
        // data are still there.
        //
        // SAFETY: The disk was allocated above, with this reference.
        let mut disk = ScopeGuard::new_with_data(disk, |disk| unsafe { bindings::put_disk(disk) });

        // SAFETY: The disk is valid, and nobody else knows it yet.
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
        // SAFETY: As above.
        let disk_name = unsafe { &mut (**disk).disk_name };
        NullTerminatedFormatter::new(disk_name)
            .ok_or(EINVAL)?
            .write_fmt(name)
            .map_err(|_| EINVAL)?;

        // SAFETY: The disk is filled in.
        to_result(unsafe {
            bindings::device_add_disk(core::ptr::null_mut(), *disk, core::ptr::null_mut())
        })?;

        private.dismiss();
        user.leave_to_disk();
        // SAFETY: A disk that was allocated is not null.
        let disk = unsafe { NonNull::new_unchecked(disk.dismiss()) };
        // INVARIANT: Added above; the reference was kept.
        Ok(Self {
            disk,
            tag_set: Some(tag_set),
        })
    }
}

impl<T: DiskOperations> Deref for OwnedDisk<T> {
    type Target = Disk<T>;

    fn deref(&self) -> &Disk<T> {
        // SAFETY: By the type invariants.
        unsafe { Disk::from_raw(self.disk.as_ptr()) }
    }
}

impl<T: DiskOperations> Drop for OwnedDisk<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the disk was added, and is removed once.
        unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        // What those who add files to its directory go by.
        kernel::warn_on!(!is_dead::<Disk<T>>(self));
        // Removing the disk took its queue down, which used the tags, as does who has the mutex and finds the disk
        // not dead yet.
        let tag_set = self.tag_set.take();
        let guard = self.lock();
        drop(tag_set);
        drop(guard);
        // SAFETY: `self` owns this reference and does not use it again.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
    }
}
