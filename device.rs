// SPDX-License-Identifier: GPL-2.0

//! One loop device: what it consists of, and its states.
//!
//! # Who keeps whom alive
//!
//! - The module owns the [`Index`], which owns the disks ([`OwnedDisk`]).
//! - A disk owns its [`LoopDevice`] and [`State`], and, while it is bound, its [`Binding`], which owns
//!   the backing file. They don't point back to the disk: it is passed along. The one exception is a
//!   queued `Withdraw`, which holds the disk until it has run, on a queue that is not the disk's.
//! - A reference to a disk's device keeps the disk, and holds off the end of the module's exit ([`DiskDriver`]).
//! - An open device keeps the disk (not its place in the index) and the module. A bound device keeps
//!   the module too ([`State::module`]).
//! - A request keeps its queue in use. The binding changes only while the queue is frozen, when there
//!   is no request, and is released only after those that have it, so each command finds the backing
//!   file that it started with.
//!
//! # Order of locks
//!
//! 1. `open_mutex` of the disk (block layer): held in `open` and `release`, taken to scan partitions
//! 2. `Shared::chain`: devices on top of each other
//! 3. the disk's mutex ([`Disk::lock`]): state, and changes of the binding
//! 4. `limits_lock` of the queue ([`LimitsUpdate`])
//! 5. freezing the queue ([`DiskGuard::freeze`])
//!
//! `LoopDevice::snapshot` comes after the disk's mutex, and nothing is waited for under it: attributes can
//! be read while an ioctl waits for the backing file.
//!
//! The [`WriteBarrier`] blocks writes with the disk's mutex held and the queue frozen, so it does not wait. While
//! writes are blocked the file system of the backing file is called. While a file is being pinned the mutex is
//! dropped, and taken again before writes are allowed. So no task waits for the barrier with the mutex held, nor
//! freezes the queue while writes are blocked: it checks that with the mutex held, and waits without the mutex
//! ([`lock_to_change`](Loop::lock_to_change)).
//! The same holds for the lock of [`Times`], under which the file system is called, too: commands take it, and its
//! own work, which is waited for ([`Times::finish`]) under `open_mutex` and the disk's mutex, with the queue not
//! frozen.
//!
//! A disk is allocated, which takes `cpu_add_remove_lock`, under the block layer's `major_names_lock` at most.
//!
//! The attribute group is created under the disk's mutex, and takes the lock of the `struct device`.
//! The mutex of `Index::slots` comes after the block layer's `major_names_lock`, and before none.
//! The memory that an [`Exclusion`] keeps is waited for by commands, which call the backing file while they have it; its
//! spinlock comes before none.
//! The spinlock of a [`HwQueue`] comes last but for that of a [`CgroupQueue`]: under them a list is changed,
//! work is queued, or a `CgroupQueue` is allocated without sleeping.
//!
//! Partitions are scanned under none of them (except for `open_mutex` in `release`), since that takes
//! `open_mutex`. So may the last put of a file, which is done under none of them either; where a
//! reference is dropped under one, it is not the last one, or the task puts it off until it returns to
//! userspace.
//!
//! # Limits that a stacked device copies
//!
//! Device mapper and md copy limits of the device when a table is loaded or an array starts, and never read
//! them again. No transition may break what they rely on. From the bind of a file to its detach:
//!
//! - `BLK_FEAT_WRITE_CACHE` and the DMA alignment stay the same. [`BackingFile::set_limits`] sets them for all
//!   modes of I/O at once. Direct I/O is off where the file needs a larger alignment
//!   ([`Binding::check_direct`]), and pinned mode is refused.
//! - The logical block size changes only under an exclusive claim, which no stacked device holds then.
//! - `BLK_FEAT_STABLE_WRITES` is set if direct I/O is possible and the file or the device below asks for it. Where
//!   they begin to ask later it is set with direct I/O or pinned mode. It is not cleared.
//! - `BLK_FEAT_ZONED` and integrity are never set.
//! - `BLK_FEAT_FUA` is set in pinned mode only. Where it is gone and a stacked device still counts on it, the
//!   block layer follows the write by a flush, as long as `BLK_FEAT_WRITE_CACHE` is set. Requests of request-based device
//!   mapper get past that, so [`LoopCmd`] syncs the file after such a write.
//! - Physical block size, minimum and optimal I/O size are hints. They follow direct I/O where its blocks are larger.
//! - Discard and write-zeroes may be withdrawn: the block layer refuses them with `EOPNOTSUPP`, and their users
//!   know another way.
//!
//! [`BackingFile::set_limits`]: crate::backing::BackingFile::set_limits
//! [`Binding`]: crate::binding::Binding
//! [`Binding::check_direct`]: crate::binding::Binding::check_direct
//! [`CgroupQueue`]: crate::cgroup_queue
//! [`Exclusion`]: crate::exclusion::Exclusion
//! [`HwQueue`]: crate::hw_queue::HwQueue
//! [`LoopCmd`]: crate::loop_cmd::LoopCmd
//! [`LimitsUpdate`]: crate::abstractions::block::limits::LimitsUpdate
//! [`Times`]: crate::times::Times
//! [`Times::finish`]: crate::times::Times::finish
//! [`Index`]: crate::control::Index
//! [`DiskDriver`]: crate::abstractions::block::disk::DiskDriver
//! [`DiskGuard::freeze`]: crate::abstractions::block::disk::DiskGuard::freeze

use crate::{
    abstractions::{
        block::{
            disk::{Disk, DiskGuard, DiskParams, OwnedDisk},
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

/// The largest request in sectors: a number that userspace has got used to.
const MAX_HW_SECTORS: u32 = 2560;

/// Where a device is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has no backing file.
    Unbound,
    /// It has one.
    Bound,
    /// It is about to lose it, in the last close. Nobody can open it.
    Rundown,
    /// It is about to be removed. Nobody can open it.
    Deleting,
}

/// Private data of a disk.
#[pin_data]
pub(crate) struct LoopDevice {
    pub(crate) number: u32,
    /// A [`Phase`]; written under the disk's mutex.
    phase: Atomic<u32>,
    /// Where commands run. Made when the device is bound first, and kept until the disk is released:
    /// it must not be destroyed under `open_mutex`.
    pub(crate) queue: SetOnce<OwnedQueue>,
    /// Where flushes run, and the writes between them: on the CPU whose task waits, or on which the
    /// step before has ended, so that no other CPU has to be woken for each step. It is the device's
    /// own, so that a flush waits for those of devices below only. Made with `queue`.
    pub(crate) flush_queue: SetOnce<OwnedQueue>,
    pub(crate) shared: Arc<Shared>,
    /// What the attributes show.
    #[pin]
    pub(crate) snapshot: Mutex<Option<SysfsSnapshot>>,
    /// Blocks writes while pinned mode is switched on or off.
    pub(crate) write_barrier: WriteBarrier,
    pub(crate) pinning: Pinning,
    /// A `Withdraw` is under way.
    pub(crate) withdrawing: AtomicFlag,
    /// The last one has given up, since freezing the queue took too long.
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

    /// The phase; may be another one at once unless the disk's mutex is held.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Unbound,
            1 => Phase::Bound,
            2 => Phase::Rundown,
            _ => Phase::Deleting,
        }
    }

    /// Makes the queues if they are not there. Only one task at a time may do so.
    ///
    /// Memory for a worker may wait for writeback to this device. So each queue has a rescuer, which carries out one
    /// item after the other where no worker can be made. That makes progress because no request waits for another one of
    /// its queue: it waits for tasks (a thaw, the write barrier), for locks of the file, whose holder runs already, and
    /// for devices below, which have queues of their own. Devices that share a queue would not: the upper one's
    /// request would keep the rescuer from the lower one's.
    ///
    /// `Legacy`, because a file system may flush a queue of its own that has no rescuer (XFS does without space).
    pub(crate) fn make_queues(&self) -> Result {
        let common = QueueFlag::Freezable | QueueFlag::MemReclaim | QueueFlag::Legacy;
        if self.queue.as_ref().is_none() {
            let name = CString::try_from_fmt(fmt!("loop{}", self.number))?;
            self.queue
                .populate(OwnedQueue::new(&name, common | QueueFlag::Unbound, 0)?);
        }
        if self.flush_queue.as_ref().is_none() {
            let name = CString::try_from_fmt(fmt!("loop{}-flush", self.number))?;
            let flags = common | QueueFlag::PerCpu | QueueFlag::CpuIntensive;
            self.flush_queue.populate(OwnedQueue::new(&name, flags, 0)?);
        }
        Ok(())
    }
}

pub(crate) fn set_phase(guard: &DiskGuard<'_, Loop>, phase: Phase) {
    let phase = match phase {
        Phase::Unbound => 0,
        Phase::Bound => 1,
        Phase::Rundown => 2,
        Phase::Deleting => 3,
    };
    guard.disk().data().phase.store(phase, Relaxed);
}

/// What is changed under the disk's mutex, and does not matter to requests.
pub(crate) struct State {
    /// Bytes that the device has at most; 0 for all.
    pub(crate) size_limit: i64,
    /// Detach at the last close.
    pub(crate) autoclear: bool,
    /// Look for partitions.
    pub(crate) partscan: bool,
    /// Why direct I/O is off although it was asked for.
    pub(crate) no_dio: NoDio,
    #[cfg(LOOP_PINNED)]
    pub(crate) pinned: crate::pinned::Status,
    pub(crate) file_name: [u8; LO_NAME_SIZE],
    pub(crate) has_attributes: bool,
    /// `BLK_FEAT_STABLE_WRITES` was set for the backing file, and is to be cleared after it. Otherwise it is as the
    /// user has set it.
    pub(crate) stable_writes: bool,
    /// A bound device keeps the module loaded.
    pub(crate) module: Option<ModuleRef>,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            size_limit: 0,
            autoclear: false,
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

    /// `BLK_FEAT_STABLE_WRITES` was set: the page cache of the device is to heed it, too.
    pub(crate) fn require_stable_writes(&mut self, disk: &Disk<Loop>) {
        self.stable_writes = true;
        disk.part0().set_stable_pages(true);
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
            nr_hw_queues,
            nr_poll_queues,
            ..
        } = &shared.params;
        let flags = TagSetFlag::Stacking | TagSetFlag::Blocking | TagSetFlag::NoSchedByDefault;
        let mut limits = QueueLimits::new();
        limits.set_max_hw_sectors(MAX_HW_SECTORS);
        let params = DiskParams {
            major: LOOP_MAJOR,
            // The block layer refuses what is beyond the last minor number.
            first_minor: u32::try_from(i32::try_from(u64::from(number) << part_bits)?)?,
            minors: 1 << part_bits,
            partition_scan: part_bits > 0,
            limits,
            tag_set: TagSetParams {
                nr_hw_queues,
                nr_poll_queues,
                queue_depth,
                // Who does not poll for his requests must not keep the tags from others.
                flags: match nr_poll_queues {
                    0 => flags | TagSetFlag::TagHctxShared,
                    _ => flags,
                },
            },
            lock_class: static_lock_class!(),
        };
        OwnedDisk::new(
            fmt!("loop{}", number),
            params,
            try_pin_init!(LoopDevice {
                number,
                phase: Atomic::new(0),
                queue: SetOnce::new(),
                flush_queue: SetOnce::new(),
                shared,
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

    /// Gets a device ready to be removed; `EBUSY` if it is bound or open.
    pub(crate) fn retire(disk: &Disk<Self>) -> Result {
        let guard = disk.lock_killable()?;
        if disk.data().phase() != Phase::Unbound || disk.openers() > 0 {
            return Err(EBUSY);
        }
        set_phase(&guard, Phase::Deleting);
        Ok(())
    }

    /// Locks a device that has to be bound, to freeze its queue; `ENXIO` if it is not bound, `EINTR` if the task is
    /// killed. Waits until writes are allowed.
    pub(crate) fn lock_to_change(disk: &Disk<Self>) -> Result<DiskGuard<'_, Self>> {
        loop {
            let guard = Self::lock_bound(disk)?;
            if !disk.data().write_barrier.is_blocking() {
                return Ok(guard);
            }
            drop(guard);
            disk.data().write_barrier.wait_killable()?;
        }
    }

    /// Locks a device that has to be bound; `ENXIO` if it is not, `EINTR` if the task is killed.
    pub(crate) fn lock_bound(disk: &Disk<Self>) -> Result<DiskGuard<'_, Self>> {
        let guard = disk.lock_killable()?;
        match disk.data().phase() {
            Phase::Bound => Ok(guard),
            _ => Err(ENXIO),
        }
    }
}
