// SPDX-License-Identifier: GPL-2.0

//! One loop device: what it consists of, and its states.
//!
//! # What keeps what alive
//!
//! - The module owns the [`Index`], which owns the disks ([`OwnedDisk`]).
//! - A disk owns its [`LoopDevice`] and [`State`], and, while it is bound, its [`Binding`], which
//!   owns the backing file. They hold no reference to the disk: callers pass it along. The one
//!   exception is a queued [`Withdraw`], which holds the disk until it has run, on a queue that is
//!   not the disk's.
//! - A reference to a disk's device keeps the disk, and holds off the end of the module's exit
//!   ([`DiskDriver`]).
//! - An open device keeps the disk (not its place in the index) and the module. A bound device
//!   keeps the module too ([`State::module`]).
//! - A request keeps its queue in use. The file and the settings in a binding change only while the
//!   queue is frozen, with no request in flight. Detach takes the binding away from new requests,
//!   and frees it after the last one that uses it has ended. So each request finds the backing file
//!   that it started with. Only `Slot` and `Exclusion` may be filled in while requests run.
//!
//! # Order of locks
//!
//! 1. `open_mutex` of the disk (block layer): held in `open` and `release`, taken to scan
//!    partitions
//! 2. `LoopDevice::changes`: whose turn it is to change the device; waits for requests under it
//! 3. `Shared::chain`: devices that are bound to other devices
//! 4. the disk's mutex ([`Disk::lock`]): state, and changes of the binding
//! 5. `limits_lock` of the queue ([`LimitsUpdate`])
//! 6. freezing the queue ([`DiskGuard::freeze`])
//!
//! A task that binds a file first takes the lock of the hardware queues ([`Disk::lock_queues`]),
//! with none of these locks held, and keeps it until the file is bound. To change the queues, the
//! block layer takes `update_nr_hwq_lock` under it, which it also holds while it removes a disk;
//! and that takes `open_mutex`, and waits for tasks in attributes.
//!
//! The lock of [`Settings`] comes last. An attribute takes it, so no lock is taken under it that is
//! held while a disk is removed.
//!
//! To change its offset or size, the lock of the device's own inode is taken under
//! `LoopDevice::changes` ([`Retry::needs_cache_lock`]). Its holders wait for requests, claims of
//! the device, and page faults. So no task waits for it with the mutex held, since claimants may
//! wait for that; and none waits for the mutex with this lock held, but only tries to take it.
//!
//! `LoopDevice::snapshot` comes after the disk's mutex. Its holders wait for nothing, so attributes
//! can be read while an ioctl waits for the backing file.
//!
//! For the [`WriteBarrier`] there are two rules, which [`Loop::change`] keeps: no task waits for it
//! with the mutex held, and none freezes the queue while writes are blocked. The task that has
//! blocked writes may call the file system of the backing file and take the mutex before it allows
//! them. `WriteBarrier::block()` itself does not wait: it is called with the mutex held and the
//! queue frozen.
//!
//! The file system is also called under the lock of [`Times`]. Requests and the work item of
//! `Times` take that lock. So does the end of pinned mode, under the disk's mutex with the queue
//! not frozen; and so does [`Times::finish`], which also waits for the work item, and which detach
//! calls under `open_mutex` alone.
//!
//! Allocating a disk takes `cpu_add_remove_lock`, with no lock held but perhaps the block layer's
//! `major_names_lock`.
//!
//! - The attribute group is created under the disk's mutex, and takes the lock of the `struct
//!   device`.
//! - The mutex of `Index::slots` comes after the block layer's `major_names_lock`. No lock is taken
//!   under it.
//! - Read-modify-writes take the mutex of an [`Exclusion`]'s reserve, and call the backing file
//!   under it. No lock is taken under the spinlock of the `Exclusion`.
//! - The spinlock of a [`HwQueue`] comes last but for that of a [`CgroupQueue`]: under them lists
//!   change, work is queued, and a `CgroupQueue` is allocated without sleeping.
//!
//! A partition scan takes `open_mutex`, so it runs under none of these locks (in `release`, which
//! holds `open_mutex`, under that one only). The last put of a file may take `open_mutex` too, so
//! it is done under none of them either: a reference that is dropped under a lock is not the last
//! one, or the task puts off the release until it returns to userspace.
//!
//! [`Binding`]: crate::binding::Binding
//! [`CgroupQueue`]: crate::cgroup_queue
//! [`Withdraw`]: crate::unsupported::Withdraw
//! [`Exclusion`]: crate::exclusion::Exclusion
//! [`HwQueue`]: crate::hw_queue::HwQueue
//! [`LimitsUpdate`]: crate::abstractions::block::limits::LimitsUpdate
//! [`Times`]: crate::times::Times
//! [`Times::finish`]: crate::times::Times::finish
//! [`Retry::needs_cache_lock`]: crate::change::Retry::needs_cache_lock
//! [`Index`]: crate::control::Index
//! [`DiskDriver`]: crate::abstractions::block::disk::DiskDriver
//! [`DiskGuard::freeze`]: crate::abstractions::block::disk::DiskGuard::freeze

use crate::{
    abstractions::{
        block::{
            disk::{Disk, DiskGuard, DiskParams, OwnedDisk, QueuesGuard},
            limits::QueueLimits,
            mq::{TagSetFlag, TagSetParams},
        },
        module::ModuleRef,
        ratelimit::RateLimit,
        workqueue::{OwnedQueue, QueueFlag},
    },
    backing::NoDio,
    driver::{DeviceParams, Loop, Shared, LOOP_MAJOR},
    pinned::{write_barrier::WriteBarrier, Pinning},
    settings::{self, Settings},
    snapshot::SysfsSnapshot,
    uapi::LO_NAME_SIZE,
};
use kernel::{
    new_mutex,
    prelude::*,
    static_lock_class,
    str::CString,
    sync::{
        atomic::{Atomic, AtomicFlag, Relaxed},
        Arc, Mutex, SetOnce,
    },
};

/// The largest request in 512-byte sectors. Userspace sees it (`max_hw_sectors_kb`), so it is the C
/// driver's.
const MAX_HW_SECTORS: u32 = 2560;

/// The phase of a device's life.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No file is bound.
    Unbound = 0,
    /// A file is bound.
    Bound = 1,
    /// The last close is about to detach the file. Opening fails with `ENXIO`.
    Rundown = 2,
    /// The device is about to be removed. Opening fails with `ENXIO`.
    Deleting = 3,
}

/// Private data of a disk.
#[pin_data]
pub(crate) struct LoopDevice {
    pub(crate) number: u32,
    /// A [`Phase`]; written under the disk's mutex. Relaxed: the mutex orders it, and a task that
    /// does not hold that takes the phase as a hint.
    phase: Atomic<u32>,
    /// Runs commands. Made when the device is first bound, and kept until the disk is released: it
    /// must not be destroyed under `open_mutex`.
    pub(crate) queue: SetOnce<OwnedQueue>,
    /// Runs the steps of flush sequences: the flushes, and the writes between them. It is a per-CPU
    /// queue, so that no step has to wake another CPU than that of the step before. Each device has
    /// its own, so that a flush waits only for flushes of devices below. Made as `queue`, but only
    /// once a binding has a write cache; the others have no flush sequences.
    pub(crate) flush_queue: SetOnce<OwnedQueue>,
    #[pin]
    pub(crate) settings: Settings,
    pub(crate) shared: Arc<Shared>,
    /// Held by the task that changes the device ([`Loop::change`]): if several tasks tried at once,
    /// the queue would be frozen nearly all the time.
    #[pin]
    pub(crate) changes: Mutex<()>,
    /// What the sysfs attributes show.
    #[pin]
    pub(crate) snapshot: Mutex<Option<SysfsSnapshot>>,
    /// Blocks writes while pinned mode is switched on or off.
    pub(crate) write_barrier: WriteBarrier,
    pub(crate) pinning: Pinning,
    /// A `Withdraw` is under way. Relaxed: one that changes the limits clears this in the freeze
    /// that waits for requests which found it set. Otherwise the next refused request starts anew.
    pub(crate) withdrawing: AtomicFlag,
    /// The last `Withdraw` has given up: it could not lock and freeze the device in time. Relaxed:
    /// it only chooses the number of tries.
    pub(crate) is_hard_to_freeze: AtomicFlag,
    /// See [`LoopDevice::may_log`].
    #[pin]
    log: RateLimit,
}

impl LoopDevice {
    /// Whether to log a message that users of the device can trigger at will.
    pub(crate) fn may_log(&self) -> bool {
        self.log.allows(c"loop")
    }

    /// The phase; may change at once unless the disk's mutex is held.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Unbound,
            1 => Phase::Bound,
            2 => Phase::Rundown,
            _ => Phase::Deleting,
        }
    }

    /// Makes the queues unless they exist; `flush_queue` for a binding that has a write cache. Only
    /// one task at a time may do so.
    ///
    /// Making a worker may wait for memory, and so for writeback to this device. So each queue has
    /// a rescuer, which runs one item after the other while no worker can be made. That makes
    /// progress because no request waits for another request of its queue: it waits for tasks (a
    /// thaw, the write barrier), for locks of the file, whose holder runs already, and for devices
    /// below, which have queues of their own. With a queue shared by devices, the upper one's
    /// request could occupy the rescuer that the lower one's request needs.
    ///
    /// `Legacy` turns off a warning: a file system may flush a queue of its own that has no rescuer
    /// (XFS does when it runs out of space).
    pub(crate) fn make_queues(&self, has_write_cache: bool) -> Result {
        let common = QueueFlag::Freezable | QueueFlag::MemReclaim | QueueFlag::Legacy;
        if self.queue.as_ref().is_none() {
            let name = CString::try_from_fmt(fmt!("loop{}", self.number))?;
            self.queue
                .populate(OwnedQueue::new(&name, common | QueueFlag::Unbound, 0)?);
        }
        if has_write_cache && self.flush_queue.as_ref().is_none() {
            let name = CString::try_from_fmt(fmt!("loop{}-flush", self.number))?;
            let flags = common | QueueFlag::PerCpu | QueueFlag::CpuIntensive;
            self.flush_queue.populate(OwnedQueue::new(&name, flags, 0)?);
        }
        Ok(())
    }
}

pub(crate) fn set_phase(guard: &DiskGuard<'_, Loop>, phase: Phase) {
    guard.disk().data().phase.store(phase as u32, Relaxed);
}

/// State under the disk's mutex that requests do not depend on.
pub(crate) struct State {
    /// Limit of the device's size in bytes; 0 for none.
    pub(crate) size_limit: i64,
    /// Detach at the last close.
    pub(crate) autoclear: bool,
    /// How often `LOOP_CLR_FD` was called on the bound device.
    pub(crate) clears: u32,
    /// Look for partitions.
    pub(crate) partscan: bool,
    /// Why direct I/O is off although it was asked for.
    pub(crate) no_dio: NoDio,
    #[cfg(LOOP_PINNED)]
    pub(crate) pinned: crate::pinned::Status,
    pub(crate) file_name: [u8; LO_NAME_SIZE],
    pub(crate) has_attributes: bool,
    /// The driver has set `BLK_FEAT_STABLE_WRITES` for the backing file, and clears it at detach.
    /// Otherwise the feature is as the user has set it.
    pub(crate) stable_writes: bool,
    /// A bound device keeps the module loaded.
    pub(crate) module: Option<ModuleRef>,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            size_limit: 0,
            autoclear: false,
            clears: 0,
            partscan: false,
            no_dio: NoDio::NotAsked,
            #[cfg(LOOP_PINNED)]
            pinned: crate::pinned::Status::new(),
            file_name: [0; LO_NAME_SIZE],
            has_attributes: false,
            stable_writes: false,
            module: None,
        }
    }

    /// Makes the page caches of the device and its partitions heed `BLK_FEAT_STABLE_WRITES`, which
    /// was set for the backing file. `is_new` says that it was not set before, by the user.
    pub(crate) fn require_stable_writes(&mut self, disk: &Disk<Loop>, is_new: bool) {
        self.stable_writes |= is_new;
        disk.set_stable_pages(true);
    }
}

/// A disk of this driver, which is removed when dropped.
pub(crate) type LoopDisk = OwnedDisk<Loop>;

impl Loop {
    /// Makes and adds device `number`.
    pub(crate) fn new_disk(number: u32, shared: Arc<Shared>) -> Result<LoopDisk> {
        let &DeviceParams {
            part_bits,
            queue_depth,
            queues,
        } = &shared.params;
        let mut limits = QueueLimits::default();
        limits.set_max_hw_sectors(MAX_HW_SECTORS);
        let tag_set = TagSetParams {
            queues,
            queue_depth,
            flags: TagSetFlag::Stacking
                | TagSetFlag::Blocking
                | TagSetFlag::NoSchedByDefault
                | TagSetFlag::TagHctxShared,
        };
        let params = DiskParams {
            major: LOOP_MAJOR,
            // The block layer refuses what is beyond the last minor number.
            first_minor: u32::try_from(i32::try_from(u64::from(number) << part_bits)?)?,
            minors: 1 << part_bits,
            partition_scan: part_bits > 0,
            attributes: Some(&settings::ATTRIBUTES),
            ..DiskParams::new(limits, tag_set, static_lock_class!())
        };
        OwnedDisk::new(
            fmt!("loop{}", number),
            params,
            try_pin_init!(LoopDevice {
                number,
                phase: Atomic::new(Phase::Unbound as u32),
                queue: SetOnce::new(),
                flush_queue: SetOnce::new(),
                settings <- Settings::new(queues),
                shared,
                changes <- new_mutex!((), "loop_changes"),
                snapshot <- new_mutex!(None, "loop_snapshot"),
                write_barrier: WriteBarrier::new(),
                pinning: Pinning::new(),
                withdrawing: AtomicFlag::new(false),
                is_hard_to_freeze: AtomicFlag::new(false),
                log <- RateLimit::new(),
            }? Error),
            new_mutex!(State::new(), "loop_device"),
        )
    }

    /// Prepares a device for its removal; `EBUSY` if it is bound or open.
    pub(crate) fn retire(disk: &Disk<Self>) -> Result {
        let guard = disk.lock_killable()?;
        if disk.data().phase() != Phase::Unbound || disk.openers() > 0 {
            return Err(EBUSY);
        }
        set_phase(&guard, Phase::Deleting);
        Ok(())
    }

    /// Locks the hardware queues of an open device that is not bound. It stays so until the result
    /// is dropped, or its holder binds a file: who binds one has to hold it, and a device that is
    /// open is not removed. `EBUSY` if the device is bound or being removed, `EINTR` if the task is
    /// killed.
    pub(crate) fn lock_unbound(disk: &Disk<Self>) -> Result<QueuesGuard<'_, Self>> {
        let queues = disk.lock_queues().map_err(|e| match e == ENODEV {
            // ABI: as for a disk that is about to be removed.
            true => EBUSY,
            false => e,
        })?;
        match disk.data().phase() {
            Phase::Unbound => Ok(queues),
            _ => Err(EBUSY),
        }
    }

    /// Locks a bound device; `ENXIO` if it is not bound, `EINTR` if the task is killed.
    pub(crate) fn lock_bound(disk: &Disk<Self>) -> Result<DiskGuard<'_, Self>> {
        let guard = disk.lock_killable()?;
        match disk.data().phase() {
            Phase::Bound => Ok(guard),
            _ => Err(ENXIO),
        }
    }
}
