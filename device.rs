// SPDX-License-Identifier: GPL-2.0

//! One loop device: its states, and the transitions between them.
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
//! `LoopDevice::shown` comes after the disk's mutex, and nothing is waited for under it: attributes can
//! be read while an ioctl waits for the backing file.
//!
//! The [`Gate`] is closed with the disk's mutex held and the queue frozen, which cannot make it wait; while it is
//! closed the file system of the backing file is called. Where a file is being pinned the mutex is let go meanwhile,
//! and taken again before the gate is opened. So nobody waits for the gate with the mutex held, also not by freezing
//! the queue: who is going to do that looks whether it is open, with the mutex held, first
//! ([`lock_to_change`](Loop::lock_to_change)).
//! The same holds for the lock of [`Times`], under which the file system is called, too: commands take it, and its
//! own work, which is waited for ([`Times::finish`]) under `open_mutex` and the disk's mutex, with the queue not
//! frozen.
//!
//! A disk is allocated, which takes `cpu_add_remove_lock`, under the block layer's `major_names_lock` at most.
//!
//! The attribute group is created under the disk's mutex, and takes the lock of the `struct device`.
//! The mutex of `Index::slots` comes after the block layer's `major_names_lock`, and before none.
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
//!   block layer follows the write by a flush, as long as `BLK_FEAT_WRITE_CACHE` is set.
//! - Discard and write-zeroes may be withdrawn: the block layer refuses them with `EOPNOTSUPP`, and their users
//!   know another way.
//!
//! [`CgroupQueue`]: crate::cgroup_queue
//! [`Index`]: crate::control::Index
//! [`DiskDriver`]: crate::abstractions::block::disk::DiskDriver
//! [`DiskGuard::freeze`]: crate::abstractions::block::disk::DiskGuard::freeze

use crate::{
    abstractions::{
        block::{
            disk::{
                disk_vtable, Disk, DiskGuard, DiskOperations, DiskParams, Ioctl, OpenLocked,
                OwnedDisk,
            },
            limits::{is_valid_block_size, LimitsUpdate, QueueLimits},
            mq::{ForwardTo, TagSetFlags, TagSetParams},
            BioSet, Place,
        },
        fs::{write_access::WriteAccess, FallocateMode, FileExt, StatMask},
        module::{ModuleRef, THIS_MODULE},
        ratelimit::RateLimit,
        sysfs,
        workqueue::{OwnedQueue, QueueFlags},
    },
    attrs::{self, Shown},
    backing::{BackingFile, ChainLock, SECTOR_SIZE},
    gate::Gate,
    hw_queue::HwQueue,
    ioctl::{
        self,
        uapi::{
            LoopConfig, LoopInfo64, Settings, LOOP_CONFIGURE_SETTABLE_FLAGS, LO_FLAGS_AUTOCLEAR,
            LO_FLAGS_DIRECT_IO, LO_FLAGS_PARTSCAN, LO_FLAGS_READ_ONLY, LO_NAME_SIZE,
        },
    },
    partition_table,
    pinned::{self, Pinned, Pinning, Reason, Sparse},
    times::Times,
    LOOP_MAJOR,
};
use kernel::{
    fs::File,
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

/// Writes that are not tried without waiting after one that had to wait: many more than are on their way
/// at a time, all of which may be tried before the first one fails.
const UNTRIED_WRITES: u32 = 1024;

/// The driver.
pub(crate) struct Loop;

/// What devices are made like.
pub(crate) struct DeviceParams {
    /// Bits of a minor number that tell the partition.
    pub(crate) part_bits: u32,
    /// Requests of each device.
    pub(crate) queue_depth: u32,
    /// Hardware queues of each device.
    pub(crate) nr_hw_queues: u32,
    pub(crate) nr_poll_queues: u32,
    /// Pin files that are attached with direct I/O, if they can be.
    pub(crate) pinned: bool,
}

/// What all devices share.
#[pin_data]
pub(crate) struct Shared {
    /// See [`ChainLock`].
    #[pin]
    pub(crate) chain: Mutex<()>,
    pub(crate) params: DeviceParams,
}

impl Shared {
    pub(crate) fn new(params: DeviceParams) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                chain <- new_mutex!((), "loop_chain"),
                params,
            }? Error),
            GFP_KERNEL,
        )
    }
}

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
    pub(crate) shown: Mutex<Option<Shown>>,
    /// Closed while the backing file becomes pinned, or is it no longer.
    #[pin]
    pub(crate) gate: Gate,
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
    /// Whether one more message may be logged that whoever may use the device can bring about at will.
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
    /// its queue: it waits for tasks (a thaw, the gate), for locks of the file, whose holder runs already, and
    /// for devices below, which have queues of their own. Devices that share a queue would not: the upper one's
    /// request would keep the rescuer from the lower one's.
    ///
    /// `LEGACY`, because a file system may flush a queue of its own that has no rescuer (XFS does without space).
    fn make_queues(&self) -> Result {
        let common = QueueFlags::FREEZABLE | QueueFlags::MEM_RECLAIM | QueueFlags::LEGACY;
        if self.queue.as_ref().is_none() {
            let name = CString::try_from_fmt(fmt!("loop{}", self.number))?;
            let flags = QueueFlags::UNBOUND | common;
            self.queue.populate(OwnedQueue::new(&name, flags, 0)?);
        }
        if self.flush_queue.as_ref().is_none() {
            let name = CString::try_from_fmt(fmt!("loop{}-flush", self.number))?;
            let flags = QueueFlags::PERCPU | QueueFlags::CPU_INTENSIVE | common;
            self.flush_queue.populate(OwnedQueue::new(&name, flags, 0)?);
        }
        Ok(())
    }
}

fn set_phase(guard: &DiskGuard<'_, Loop>, phase: Phase) {
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
    /// Why the backing file is not pinned.
    pub(crate) not_pinned: Reason,
    /// Somebody is about to pin it, without the mutex most of the time.
    pub(crate) is_pinning: bool,
    file_name: [u8; LO_NAME_SIZE],
    has_attributes: bool,
    /// `BLK_FEAT_STABLE_WRITES` was set for the backing file, and is to be cleared after it. Otherwise it is as the
    /// user has set it.
    stable_writes: bool,
    /// A bound device keeps the module loaded.
    module: Option<ModuleRef>,
}

impl State {
    const fn new() -> Self {
        Self {
            size_limit: 0,
            autoclear: false,
            partscan: false,
            not_pinned: Reason::None,
            is_pinning: false,
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

/// What a bound device's requests depend on.
pub(crate) struct Binding {
    pub(crate) backing: BackingFile,
    /// Where the device begins in the file, in bytes.
    pub(crate) offset: i64,
    /// Direct I/O, past the page cache of the file.
    pub(crate) direct: bool,
    pub(crate) read_only: bool,
    no_punch_hole: AtomicFlag,
    no_zero_range: AtomicFlag,
    /// See [`Binding::may_try_write`].
    untried_writes: Atomic<u32>,
    /// Writes on their way that were allowed to wait.
    waiting_writes: Atomic<i32>,
    /// There is one in pinned mode, never if the backing file is a block device. Set while there may be requests,
    /// taken away while there are none.
    pinned: SetOnce<Pin<KBox<Pinned>>>,
    /// What issues writes if there is a zoned device at the bottom, which takes them in the order of a zone only.
    pub(crate) ordered: Option<Arc<HwQueue>>,
    /// Those of the backing file; `None` if the device is read-only.
    pub(crate) times: Option<Arc<Times>>,
}

impl ForwardTo for Binding {
    #[inline(always)] // Called for each request, from one place but for rare ones.
    fn place(&self, pos: i64, bytes: u32) -> Option<Place<'_>> {
        let pos = pos.checked_add(self.offset)?;
        let Some(bdev) = self.backing.block_device() else {
            return self.pinned()?.place(pos, bytes);
        };
        Some(Place {
            bdev,
            sector: u64::try_from(pos).ok()? / u64::from(SECTOR_SIZE),
            bytes,
            bottom: self.backing.is_on_bottom(),
        })
    }

    fn bios(&self) -> Option<&BioSet> {
        self.pinned().map(Pinned::bios)
    }
}

impl AsRef<File> for Binding {
    fn as_ref(&self) -> &File {
        self.backing.file()
    }
}

impl Binding {
    fn new(
        backing: BackingFile,
        ordered: Option<Arc<HwQueue>>,
        offset: i64,
        direct: bool,
        times: Option<Arc<Times>>,
    ) -> Self {
        Self {
            backing,
            offset,
            direct,
            read_only: times.is_none(),
            no_punch_hole: AtomicFlag::new(false),
            no_zero_range: AtomicFlag::new(false),
            untried_writes: Atomic::new(0),
            waiting_writes: Atomic::new(0),
            pinned: SetOnce::new(),
            ordered,
            times,
        }
    }

    /// The backing file's fixed blocks, in pinned mode.
    pub(crate) fn pinned(&self) -> Option<&Pinned> {
        self.pinned.as_ref().map(|pinned| &**pinned)
    }

    /// Whether below the device that requests are passed on to there is no other.
    pub(crate) fn is_on_bottom(&self) -> bool {
        self.backing.is_on_bottom() || self.pinned().is_some_and(Pinned::is_on_bottom)
    }

    /// Begins pinned mode, with the gate closed. There must be none yet.
    pub(crate) fn set_pinned(&self, pinned: Pin<KBox<Pinned>>) {
        self.pinned.populate(pinned);
    }

    /// Ends it.
    pub(crate) fn take_pinned(&mut self) -> SetOnce<Pin<KBox<Pinned>>> {
        core::mem::take(&mut self.pinned)
    }

    /// A write in pinned mode has ended. Any context.
    #[inline]
    pub(crate) fn end_write(&self, access: WriteAccess) {
        match &self.times {
            Some(times) => times.end_write(access),
            // Those to a read-only device are refused before they begin.
            None => access.end(self.backing.file()),
        }
    }

    /// Whether a direct write is to be tried without waiting.
    ///
    /// One that finds in the middle that it has to wait costs more than one that waits from the start. In
    /// a sparse file, where blocks have to be allocated, that happens again and again. So after it has
    /// happened the next writes are not tried.
    pub(crate) fn may_try_write(&self) -> bool {
        self.untried_writes.load(Relaxed) == 0
    }

    /// A write was not tried.
    pub(crate) fn did_not_try_write(&self) {
        // Where two tasks meet here a write may be tried too early, or too late, which does no harm.
        if let Some(left) = self.untried_writes.load(Relaxed).checked_sub(1) {
            self.untried_writes.store(left, Relaxed);
        }
    }

    /// A write could not be done without waiting.
    pub(crate) fn write_had_to_wait(&self) {
        self.untried_writes.store(UNTRIED_WRITES, Relaxed);
    }

    /// A write that is allowed to wait begins.
    pub(crate) fn begin_waiting_write(&self) {
        self.waiting_writes.fetch_add(1, Relaxed);
    }

    /// One has ended.
    pub(crate) fn end_waiting_write(&self) {
        self.waiting_writes.fetch_sub(1, Relaxed);
    }

    /// Whether there are any; may be out of date at once.
    pub(crate) fn has_waiting_writes(&self) -> bool {
        self.waiting_writes.load(Relaxed) > 0
    }

    /// Whether the file was found not to support this.
    pub(crate) fn unsupported(&self, mode: FallocateMode) -> &AtomicFlag {
        match mode {
            FallocateMode::PunchHole => &self.no_punch_hole,
            FallocateMode::ZeroRange => &self.no_zero_range,
        }
    }

    /// Takes what the file was found not to support off some limits.
    pub(crate) fn apply_unsupported(&self, limits: &mut QueueLimits) {
        if self.no_punch_hole.load(Relaxed) {
            limits.set_no_discard();
        }
        if self.no_zero_range.load(Relaxed) {
            limits.set_no_write_zeroes();
        }
    }

    /// Switches direct I/O off where it is not possible (any more), and says so.
    fn check_direct(&mut self, disk: &Disk<Loop>) {
        if !self.direct || self.backing.can_dio(self.offset, disk) {
            return;
        }
        self.direct = false;
        if !disk.data().may_log() {
            return;
        }
        let number = disk.data().number;
        if self.backing.has_dio() {
            pr_info!(
                "loop{number}: no direct I/O: offset {}, block size {} and memory alignment {} do not suit the backing file\n",
                self.offset,
                disk.logical_block_size(),
                disk.dma_alignment().saturating_add(1)
            );
        } else {
            pr_info!("loop{number}: no direct I/O: the backing file does not support it\n");
        }
    }
}

/// A disk of this driver, which is removed when dropped.
pub(crate) type LoopDisk = OwnedDisk<Loop>;

/// Tells the block layer, and userspace, the capacity.
fn set_capacity(disk: &Disk<Loop>, sectors: u64) {
    if !disk.set_capacity_and_notify(sectors) {
        disk.change_uevent();
    }
}

/// Looks for partitions. Neither failure to find any nor to read the disk is the caller's problem.
///
/// Who opens the disk, or asks for it, has the block layer do so from here on only: not before it is done here, so
/// that the partitions come once.
fn rescan(disk: &Disk<Loop>) {
    warn_of(
        disk,
        disk.open_locked(|disk| {
            disk.set_partition_scan(true);
            disk.rescan_partitions()
        }),
    );
}

/// The same after the file was changed. Where its table says of what partitions there are, they are left as they are,
/// and this returns true.
fn rescan_changed(disk: &Disk<Loop>) -> bool {
    disk.open_locked(|disk| {
        disk.invalidate_partitions();
        if let Ok(true) = partition_table::matches(disk) {
            return true;
        }
        warn_of(disk, disk.rescan_partitions());
        false
    })
}

fn warn_of(disk: &Disk<Loop>, scan: Result) {
    let Err(e) = scan else {
        return;
    };
    if disk.data().may_log() {
        pr_warn!(
            "partition scan of loop{} failed (rc={})\n",
            disk.data().number,
            e.to_errno()
        );
    }
}

/// Logs the error of writeback of a file that is let go, if no flush has reported it, as none will.
fn warn_of_error(disk: &Disk<Loop>, backing: &BackingFile) {
    let Err(e) = backing.file().check_error() else {
        return;
    };
    if disk.data().may_log() {
        pr_warn!(
            "loop{}: writing to the backing file has failed ({}), which no flush has reported\n",
            disk.data().number,
            e.to_errno()
        );
    }
}

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
        let flags =
            TagSetFlags::STACKING | TagSetFlags::BLOCKING | TagSetFlags::NO_SCHED_BY_DEFAULT;
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
                    0 => flags | TagSetFlags::TAG_HCTX_SHARED,
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
                shown <- new_mutex!(None, "loop_shown"),
                gate <- Gate::new(),
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
    /// killed. Waits until the gate is open.
    pub(crate) fn lock_to_change(disk: &Disk<Self>) -> Result<DiskGuard<'_, Self>> {
        loop {
            let guard = Self::lock_bound(disk)?;
            if !disk.data().gate.is_closed() {
                return Ok(guard);
            }
            drop(guard);
            disk.data().gate.wait_killable()?;
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

    /// Binds a file to a device (`LOOP_SET_FD`, `LOOP_CONFIGURE`). Until nothing can fail any more,
    /// nothing is changed.
    pub(crate) fn configure(io: &Ioctl<'_, Self>, config: &LoopConfig) -> Result {
        let disk = io.disk();
        let mut backing = BackingFile::new(io.fget(config.fd)?)?;
        // Open, by the caller: the module is there to be kept.
        let module = ModuleRef::get();
        let _claim = match io.mode().is_exclusive() {
            true => None,
            false => Some(io.bdev().claim()?),
        };
        let chain = match backing.is_loop() {
            true => Some(ChainLock::take(&disk.data().shared)?),
            false => None,
        };
        let valid = ChainLock::validate(chain.as_ref(), backing.file(), disk);

        let mut guard = disk.lock_killable()?;
        if disk.data().phase() != Phase::Unbound {
            return Err(EBUSY);
        }
        let is_zoned = valid?;
        let flags = config.info.lo_flags;
        if flags & !LOOP_CONFIGURE_SETTABLE_FLAGS != 0 {
            return Err(EINVAL);
        }
        let settings = Settings::new(&config.info)?;
        let read_only =
            flags & LO_FLAGS_READ_ONLY != 0 || !backing.is_writable() || !io.mode().is_write();
        let direct = flags & LO_FLAGS_DIRECT_IO != 0 || backing.opened_direct();
        let block_size = match config.block_size {
            0 => default_block_size(&backing, direct),
            bytes => bytes,
        };
        disk.data().make_queues()?;

        let discard = backing.discard_limits();
        backing.write_dirty();
        let binding = KBox::new_uninit(GFP_KERNEL)?;
        let ordered = match is_zoned && !read_only {
            true => Some(HwQueue::new()?),
            false => None,
        };
        let times = match read_only {
            true => None,
            false => Some(Times::new(backing.file().clone())?),
        };
        let mut limits = LimitsUpdate::start(disk);
        backing.set_limits(&mut limits, block_size, discard, read_only);
        let stable_writes = backing.require_stable_writes(&mut limits, read_only);
        limits.commit_unconfigured(&guard)?;

        backing.bind();
        let mut binding = KBox::write(
            binding,
            Binding::new(backing, ordered, settings.offset, direct, times),
        );
        binding.check_direct(disk);
        let sectors = binding
            .backing
            .sectors(settings.offset, settings.size_limit);
        if guard.publish(binding).is_err() {
            return Err(EBUSY);
        }

        let mut quiet = guard.suppress_uevents();
        disk.force_media_change();
        disk.set_read_only(read_only);
        quiet.size_limit = settings.size_limit;
        quiet.file_name = settings.file_name;
        if stable_writes {
            quiet.require_stable_writes(disk);
        }
        quiet.autoclear = flags & LO_FLAGS_AUTOCLEAR != 0;
        quiet.partscan = flags & LO_FLAGS_PARTSCAN != 0 || disk.data().shared.params.part_bits > 0;
        quiet.module = Some(module);
        disk.data().is_hard_to_freeze.store(false, Relaxed);
        // There was no file to be shown before.
        let _ = attrs::update(&quiet);
        quiet.has_attributes = sysfs::create_group(disk, &attrs::GROUP).is_ok();
        set_capacity(disk, sectors);
        set_phase(&quiet, Phase::Bound);
        let pin = disk.data().shared.params.pinned
            && quiet.config().is_some_and(|binding| binding.direct);
        let partscan = quiet.partscan;
        drop(quiet);
        disk.change_uevent();

        drop(guard);
        drop(chain);
        if pin {
            // It goes on without.
            let _ = pinned::pin(disk, Sparse::Refuse);
        }
        if partscan {
            rescan(disk);
        }
        Ok(())
    }

    /// Puts another file in place of the bound one (`LOOP_CHANGE_FD`): the device has to be read-only
    /// and of the same size with either.
    pub(crate) fn change_fd(io: &Ioctl<'_, Self>, fd: u32) -> Result {
        let disk = io.disk();
        let backing = BackingFile::new(io.fget(fd)?)?;
        let result = Self::switch_file(disk, backing);
        match result {
            // What is in the partitions may be something else.
            Ok(true) if rescan_changed(disk) => disk.change_uevent_of_all(),
            _ => disk.change_uevent(),
        }
        result.map(|_| ())
    }

    /// Returns whether partitions are to be looked for.
    fn switch_file(disk: &Disk<Self>, mut backing: BackingFile) -> Result<bool> {
        let (old, shown, partscan);
        {
            let chain = match backing.is_loop() {
                true => Some(ChainLock::take(&disk.data().shared)?),
                false => None,
            };
            let valid = ChainLock::validate(chain.as_ref(), backing.file(), disk);
            let mut guard = Self::lock_to_change(disk)?;
            let binding = guard.config().ok_or(ENXIO)?;
            if !binding.read_only {
                return Err(EINVAL);
            }
            valid?;
            let (offset, limit) = (binding.offset, guard.size_limit);
            if backing.sectors(offset, limit) != binding.backing.sectors(offset, limit) {
                return Err(EINVAL);
            }
            // As when a device is bound.
            backing.write_dirty();
            partscan = guard.partscan;

            pinned::unpin(&mut guard, Reason::Changed);
            // One event tells of the change, when it is complete.
            let quiet = guard.suppress_uevents();
            disk.force_media_change();
            drop(quiet);
            let mut frozen = guard.freeze();
            let (Some(binding), _) = frozen.parts() else {
                return Err(ENXIO);
            };
            binding.direct |= backing.opened_direct();
            // It may be the same file again, so the old binding ends before the new one begins.
            binding.backing.unbind();
            backing.bind();
            old = core::mem::replace(&mut binding.backing, backing);
            binding.check_direct(disk);
            drop(frozen);
            shown = attrs::update(&guard);
        }
        warn_of_error(disk, &old);
        // Under no lock.
        drop(shown);
        drop(old);
        // What somebody read in between came from the old file. Under no lock: this may have to wait
        // for the new one.
        disk.part0().invalidate_in_use();
        Ok(partscan)
    }

    /// Has the device detached when it is closed the last time (`LOOP_CLR_FD`).
    pub(crate) fn clear_fd(disk: &Disk<Self>) -> Result {
        // From here on nobody may put another device on this one.
        let _chain = ChainLock::take(&disk.data().shared)?;
        let mut guard = Self::lock_bound(disk)?;
        guard.autoclear = true;
        if disk.openers() == 1 {
            set_phase(&guard, Phase::Rundown);
        }
        let _ = attrs::update(&guard);
        Ok(())
    }

    /// Detaches the file, in the last close.
    fn detach(disk: &OpenLocked<'_, Self>) {
        // The device is in its rundown, so the gate is not closed once more.
        disk.data().pinning.cancel();
        disk.data().gate.wait();
        let mut guard = disk.lock();
        // A write that comes late, when nobody has the device open, still finds the file, or is told
        // that there is none.
        let mut binding = guard.take_config();
        let mut limits = LimitsUpdate::start(disk);
        limits.set_block_size(SECTOR_SIZE);
        if guard.stable_writes {
            limits.release_stable_writes();
            disk.part0().set_stable_pages(false);
        }
        // The smallest blocks suit all other limits.
        let _ = limits.commit_unconfigured(&guard);
        let module = guard.module.take();
        let has_attributes = guard.has_attributes;
        *guard = State::new();
        let shown = attrs::update(&guard);
        drop(guard);

        disk.invalidate();
        if has_attributes {
            sysfs::remove_group::<Disk<Self>>(disk, &attrs::GROUP);
        }
        disk.change_uevent();
        disk.force_media_change();
        // Also those which were added by hand (BLKPG).
        if let Err(e) = disk.rescan_partitions() {
            pr_warn!(
                "partition scan of loop{} failed (rc={})\n",
                disk.data().number,
                e.to_errno()
            );
        }
        if disk.data().shared.params.part_bits == 0 {
            disk.set_partition_scan(false);
        }

        if let Some(binding) = &mut binding {
            // While the device is bound still: who sees it unbound may use the file at once.
            if let Some(times) = &binding.times {
                times.finish();
            }
            drop(binding.take_pinned());
            warn_of_error(disk, &binding.backing);
            binding.backing.unbind();
        }
        set_phase(&disk.lock(), Phase::Unbound);
        drop(shown);
        drop(binding);
        drop(module);
    }

    /// Changes offset, size limit, name and flags (`LOOP_SET_STATUS`).
    pub(crate) fn set_status(disk: &Disk<Self>, info: &LoopInfo64) -> Result {
        let mut guard = Self::lock_to_change(disk)?;
        let binding = guard.config().ok_or(ENXIO)?;
        let resized =
            binding.offset as u64 != info.lo_offset || guard.size_limit as u64 != info.lo_sizelimit;
        if resized {
            // What is cached is at other places afterwards. Writing it may fail as any write may;
            // those who wrote are told. The C driver does it before it looks at whether the new place is
            // valid, and so do we.
            let _ = disk.part0().sync();
            disk.part0().invalidate();
        }
        let settings = Settings::new(info)?;
        let binding = guard.config().ok_or(ENXIO)?;
        // Asked once: a file that grows later is to be taken over by `LOOP_SET_CAPACITY`.
        let sectors = resized.then(|| {
            binding
                .backing
                .sectors(settings.offset, settings.size_limit)
        });
        if let Some(sectors) = sectors {
            pinned::unpin_unsuitable(&mut guard, settings.offset, sectors);
        }

        let mut frozen = guard.freeze();
        let (Some(binding), state) = frozen.parts() else {
            return Err(ENXIO);
        };
        binding.offset = settings.offset;
        binding.check_direct(disk);
        state.size_limit = settings.size_limit;
        state.file_name = settings.file_name;
        state.autoclear = info.lo_flags & LO_FLAGS_AUTOCLEAR != 0;
        // Can be switched on, not off.
        let partscan = info.lo_flags & LO_FLAGS_PARTSCAN != 0 && !state.partscan;
        state.partscan |= partscan;
        drop(frozen);
        let _ = attrs::update(&guard);

        if let Some(sectors) = sectors {
            set_capacity(disk, sectors);
        }
        drop(guard);
        if resized {
            // What somebody read in between came from the old place. Under no lock: this may have to
            // wait for the file.
            disk.part0().invalidate_in_use();
        }
        if partscan {
            rescan(disk);
        }
        Ok(())
    }

    /// Tells what the device is bound to (`LOOP_GET_STATUS`).
    pub(crate) fn status(disk: &Disk<Self>) -> Result<LoopInfo64> {
        let mut info = LoopInfo64::zeroed();
        let file = {
            let guard = Self::lock_bound(disk)?;
            let binding = guard.config().ok_or(ENXIO)?;
            info.lo_number = disk.data().number;
            info.lo_offset = binding.offset as u64;
            info.lo_sizelimit = guard.size_limit as u64;
            info.lo_file_name = guard.file_name;
            for (set, flag) in [
                (binding.read_only, LO_FLAGS_READ_ONLY),
                (guard.autoclear, LO_FLAGS_AUTOCLEAR),
                (guard.partscan, LO_FLAGS_PARTSCAN),
                (binding.direct, LO_FLAGS_DIRECT_IO),
            ] {
                if set {
                    info.lo_flags |= flag;
                }
            }
            binding.backing.file().clone()
        };
        // The file system is asked under no lock.
        let stat = file.stat(StatMask::Inode)?;
        info.lo_device = stat.device();
        info.lo_inode = stat.inode();
        info.lo_rdevice = stat.rdevice();
        Ok(info)
    }

    /// Takes a new size of the backing file over (`LOOP_SET_CAPACITY`).
    pub(crate) fn refresh_capacity(disk: &Disk<Self>) -> Result {
        let mut guard = Self::lock_to_change(disk)?;
        let binding = guard.config().ok_or(ENXIO)?;
        let offset = binding.offset;
        let sectors = binding.backing.sectors(offset, guard.size_limit);
        pinned::unpin_unsuitable(&mut guard, offset, sectors);
        set_capacity(disk, sectors);
        Ok(())
    }

    /// Switches direct I/O on or off (`LOOP_SET_DIRECT_IO`); `EINVAL` if it is not possible.
    pub(crate) fn set_direct(disk: &Disk<Self>, direct: bool) -> Result {
        let mut guard = Self::lock_to_change(disk)?;
        let binding = guard.config().ok_or(ENXIO)?;
        if binding.direct == direct {
            return Ok(());
        }
        if direct {
            if !binding.backing.can_dio(binding.offset, disk) {
                return Err(EINVAL);
            }
            // As when a device is bound.
            binding.backing.write_dirty();
        } else {
            pinned::unpin(&mut guard, Reason::Changed);
        }
        let binding = guard.config().ok_or(ENXIO)?;
        // A commit has the block layer reset the read-ahead, as the C driver does, also if nothing is new.
        let mut limits = LimitsUpdate::start(disk);
        binding.apply_unsupported(&mut limits);
        let stable_writes = direct
            && binding
                .backing
                .require_stable_writes(&mut limits, binding.read_only);
        let mut frozen = guard.freeze();
        limits.commit_frozen(&frozen)?;
        if let (Some(binding), state) = frozen.parts() {
            binding.direct = direct;
            if stable_writes {
                state.require_stable_writes(disk);
            }
        }
        drop(frozen);
        let _ = attrs::update(&guard);
        Ok(())
    }

    /// Changes the logical block size (`LOOP_SET_BLOCK_SIZE`); 0 for the default.
    pub(crate) fn set_block_size(io: &Ioctl<'_, Self>, size: usize) -> Result {
        let disk = io.disk();
        let _claim = match io.mode().is_exclusive() {
            true => None,
            false => Some(io.bdev().claim()?),
        };
        let mut guard = Self::lock_to_change(disk)?;
        if disk.logical_block_size() as usize == size {
            return Ok(());
        }
        let _ = disk.part0().sync();
        disk.part0().invalidate();

        let binding = guard.config().ok_or(ENXIO)?;
        // Only the lower half was ever looked at.
        let block_size = match size as u32 {
            0 => default_block_size(&binding.backing, binding.direct),
            bytes => bytes,
        };
        // Not for what the block layer is going to refuse.
        if is_valid_block_size(block_size) {
            pinned::unpin(&mut guard, Reason::Changed);
        }
        let binding = guard.config().ok_or(ENXIO)?;
        let discard = binding.backing.discard_limits();
        let mut limits = LimitsUpdate::start(disk);
        binding
            .backing
            .set_limits(&mut limits, block_size, discard, binding.read_only);
        let mut frozen = guard.freeze();
        limits.commit_frozen(&frozen)?;
        if let (Some(binding), _) = frozen.parts() {
            // The limits promise all anew.
            binding.no_punch_hole.store(false, Relaxed);
            binding.no_zero_range.store(false, Relaxed);
            binding.check_direct(disk);
        }
        drop(frozen);
        let _ = attrs::update(&guard);
        Ok(())
    }
}

fn default_block_size(backing: &BackingFile, direct: bool) -> u32 {
    if direct {
        backing.dio_block_size()
    } else {
        SECTOR_SIZE
    }
}

disk_vtable!(Loop);

impl DiskOperations for Loop {
    const OWNER: &'static ThisModule = &THIS_MODULE;

    fn open(disk: &Disk<Self>) -> Result {
        let _guard = disk.lock_killable()?;
        match disk.data().phase() {
            Phase::Unbound | Phase::Bound => Ok(()),
            Phase::Rundown | Phase::Deleting => Err(ENXIO),
        }
    }

    fn release(disk: &OpenLocked<'_, Self>) {
        if disk.openers() > 0 {
            return;
        }
        {
            let guard = disk.lock();
            if disk.data().phase() == Phase::Bound && guard.autoclear {
                set_phase(&guard, Phase::Rundown);
            }
            if disk.data().phase() != Phase::Rundown {
                return;
            }
        }
        // Nobody else can be here: the device can be neither opened nor removed.
        Self::detach(disk);
    }

    fn ioctl(io: Ioctl<'_, Self>) -> Result<i32> {
        ioctl::native(&io)
    }

    fn compat_ioctl(io: Ioctl<'_, Self>) -> Result<i32> {
        ioctl::compat(&io)
    }
}
