// SPDX-License-Identifier: GPL-2.0

//! Pinned mode: requests go straight to the blocks of the backing file.
//!
//! The backing file is kept as a swap file is ([`SwapFile`]), so that its blocks are known and stay where
//! they are, and nobody else writes to it. A request becomes bios to the device below; the file system is not
//! in the way. It still rules: nothing is written while it is frozen, nor after it was shut down or made
//! read-only. Who reads the file by way of the file system puts pages in its cache; each write drops those that it
//! makes out of date, as direct I/O on the file would.
//!
//! # On and off
//!
//! Both ask the file system for some time, during which writes must not fail but need not go on either: they wait at
//! the device's [`Gate`](crate::gate::Gate), reads go on. The queue is frozen only for moments, and at the end of
//! pinned mode for a flush of the device below: while it is, nothing of the file system may be waited for, nor
//! memory, since who has what is waited for may wait for a request.
//!
//! What takes long, to write back what is dirty and to fill holes, is done before that ([`fill`]), a piece at a time.
//! With the gate closed, a piece of the holes is filled in the page cache; it is written with the gate open. Most of
//! the time the disk's mutex is not held, so whoever changes the device cancels this ([`Pinning`]).

use crate::{
    abstractions::{
        block::{
            disk::{Disk, DiskGuard},
            limits::{LimitsUpdate, QueueLimits},
            BioSet, BlockDevice, DeviceLimits, Place,
        },
        error::{ecanceled, enodata, eopnotsupp},
        fs::{
            write_access::{check_writable, is_read_only, WriteAccess},
            FileExt, FileKind, Holes, SwapFile,
        },
        task::{fatal_signal_pending, IoWorkerScope},
        time::jiffies,
    },
    attrs,
    backing::SECTOR_SIZE,
    device::{Binding, Loop, Phase},
    gate::ClosedGate,
};
use core::ops::Range;
use kernel::{
    fs::{file::flags::O_APPEND, File},
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, AtomicFlag, Relaxed},
    },
    time::{delay::fsleep, msecs_to_jiffies, Delta, Instant, Monotonic, Msecs},
};

/// How often the file system is asked whether it lets something be written while writes keep coming. What it said
/// holds for twice as long.
const ASK_EVERY_MS: Msecs = 20;

/// How much is filled at a time, in bytes, and for how long, or as long as it took to hold writes up for it.
const PIECE: i64 = 16 << 20;
const PIECE_MS: i64 = 40;

/// How long all may be held up for those that are on their way: longer each time, since freezing also waits for a
/// grace period of RCU, which may be long in itself. It is tried again after a pause.
const FREEZE_MS: Range<Msecs> = 200..6400;
const PAUSE: Delta = Delta::from_millis(100);

/// Bios of each device for when there is no memory. One would do, at the speed of one at a time.
const RESERVE: u32 = 16;

/// Whether holes are a reason to refuse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sparse {
    /// They are.
    Refuse,
    /// They are filled with zeroes.
    Fill,
}

/// Why a device is not pinned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was not asked for.
    None,
    NotDirect,
    NotRegular,
    NotWritable,
    Append,
    Offset,
    Size,
    BlockSize,
    Alignment,
    Zoned,
    Encrypted,
    SmallBlocks,
    Sparse,
    Busy,
    Unsupported,
    FileSystem,
    Error(Error),
    /// It was, or was about to be, until the device was changed.
    Changed,
}

impl Reason {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NotDirect => "direct I/O is off",
            Self::NotRegular => "the backing file is not a regular file",
            Self::NotWritable => "the backing file was opened read-only",
            Self::Append => "the backing file was opened to be appended to",
            Self::Offset => "the offset is not a multiple of the page size",
            Self::Size => {
                "the size of the backing file is not a multiple of the page size, or too large"
            }
            Self::BlockSize => "the block size is smaller than that of the device below",
            Self::Alignment => "the device below needs buffers of a larger alignment",
            Self::Zoned => "the device below is zoned",
            Self::Encrypted => "the backing file is encrypted",
            Self::SmallBlocks => {
                "the blocks of the file system are smaller than a page, and those of the backing file do not lie in whole pages"
            }
            Self::Sparse => "the backing file has ranges that were never written",
            Self::Busy => {
                "the backing file is in use as a swap file, or open for writing elsewhere"
            }
            Self::Unsupported => {
                "the file system of the backing file has no swap files, or does not keep their blocks in place"
            }
            Self::FileSystem => {
                "the file system refuses the backing file (compressed, shared, copy-on-write, …)"
            }
            Self::Error(_) => "there was an error",
            Self::Changed => "the device was changed",
        }
    }

    /// For the one who asked.
    fn error(self) -> Error {
        match self {
            Self::Busy => EBUSY,
            Self::Sparse => enodata(),
            Self::Unsupported | Self::NotRegular => eopnotsupp(),
            Self::Error(e) => e,
            Self::Changed => ecanceled(),
            _ => EINVAL,
        }
    }

    /// For what filling fails with.
    fn from_fill(e: Error) -> Self {
        match e {
            EBUSY => Self::Busy,
            e if e == ecanceled() => Self::Changed,
            e => Self::Error(e),
        }
    }

    fn from_swap_file(e: Error) -> Self {
        match e {
            EINVAL => Self::FileSystem,
            EBUSY => Self::Busy,
            EFBIG => Self::Size,
            ERANGE => Self::SmallBlocks,
            e if e == enodata() => Self::Sparse,
            e if e == eopnotsupp() => Self::Unsupported,
            e => Self::Error(e),
        }
    }
}

/// A backing file with fixed blocks.
#[pin_data]
pub(crate) struct Pinned {
    file: SwapFile,
    backing: ARef<File>,
    #[pin]
    bios: BioSet,
    /// When the file system was last found to let something be written, in jiffies.
    writable_at: Atomic<usize>,
    /// When somebody was last sent to ask it, in jiffies.
    asked_at: Atomic<usize>,
    /// [`ASK_EVERY_MS`] in jiffies, at least 1.
    ask_every: usize,
}

impl Pinned {
    fn new(backing: ARef<File>, file: SwapFile) -> Result<Pin<KBox<Self>>> {
        let ask_every = msecs_to_jiffies(ASK_EVERY_MS);
        let long_ago = jiffies().wrapping_sub(ask_every.saturating_mul(2));
        KBox::try_pin_init(
            try_pin_init!(Self {
                file,
                backing,
                bios <- BioSet::new(RESERVE),
                writable_at: Atomic::new(long_ago),
                asked_at: Atomic::new(long_ago),
                ask_every,
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn bios(&self) -> &BioSet {
        &self.bios
    }

    pub(crate) fn bdev(&self) -> &BlockDevice {
        self.file.bdev()
    }

    /// Flushes the device below. Fails as well with what writeback of the file failed with before it was pinned, and
    /// no flush has reported. May sleep.
    pub(crate) fn flush(&self) -> Result {
        let result = self.bdev().flush();
        self.backing.take_error().and(result)
    }

    /// Whether no other device is below that.
    pub(crate) fn is_on_bottom(&self) -> bool {
        self.file.is_on_bottom()
    }

    /// Whether a device of so many sectors, from an offset on, has some that are not in the fixed blocks: the
    /// backing file cannot shrink, but it can grow.
    fn is_beyond(&self, offset: i64, sectors: u64) -> bool {
        let size = u64::try_from(self.file.size().saturating_sub(offset)).unwrap_or(0);
        sectors > size / u64::from(SECTOR_SIZE)
    }

    /// Where bytes of the backing file lie, see [`SwapFile::place`].
    #[inline]
    pub(crate) fn place(&self, pos: i64, bytes: u32) -> Option<Place<'_>> {
        self.file.place(pos, bytes)
    }

    /// Begins a write, if it is known that the file system lets something be written, and it is not frozen.
    /// Neither waits nor calls the file system.
    #[inline]
    pub(crate) fn try_begin_write(&self) -> Option<WriteAccess> {
        if !self.is_known_writable() || is_read_only(&self.backing) {
            return None;
        }
        WriteAccess::try_start(&self.backing)
    }

    /// Whether the file system was found to let something be written not long ago. When it is time to ask again
    /// the first write to come is told no, so that it is the one which [asks](Self::begin_write), and the others
    /// need not wait for the answer, unless that takes as long again.
    fn is_known_writable(&self) -> bool {
        let now = jiffies();
        let age = now.wrapping_sub(self.writable_at.load(Relaxed));
        if age < self.ask_every {
            return true;
        }
        let asked = self.asked_at.load(Relaxed);
        age / 2 < self.ask_every
            && (now.wrapping_sub(asked) < self.ask_every
                || self.asked_at.cmpxchg(asked, now, Relaxed).is_err())
    }

    /// Begins a write. Waits while the file system is frozen, if `wait` is set, else fails with `EAGAIN`. Fails
    /// with what the file system says where it lets nothing be written. May sleep. It ends with
    /// [`Binding::end_write`].
    pub(crate) fn begin_write(&self, wait: bool) -> Result<WriteAccess> {
        let access = match wait {
            true => WriteAccess::start(&self.backing),
            false => WriteAccess::try_start(&self.backing).ok_or(EAGAIN)?,
        };
        let now = jiffies();
        let result = match self.writable_at.load(Relaxed) == now {
            true if is_read_only(&self.backing) => Err(EROFS),
            true => Ok(()),
            false => check_writable(&self.backing, &access),
        };
        if let Err(e) = result {
            access.end(&self.backing);
            return Err(e);
        }
        self.writable_at.store(now, Relaxed);
        Ok(access)
    }

    /// Makes a range of the backing file read as zeroes, block for block: the file system counts on all of
    /// them. May sleep.
    pub(crate) fn zero(&self, pos: i64, bytes: u32) -> Result {
        let mut done = 0;
        while done < bytes {
            let pos = pos.checked_add(i64::from(done)).ok_or(EIO)?;
            let place = self.place(pos, bytes - done).ok_or(EIO)?;
            BlockDevice::zero_out(&place)?;
            done = done.checked_add(place.bytes).ok_or(EIO)?;
        }
        Ok(())
    }

    /// Sets the limits that are the device's. Those that a stacked device copies stay those of the file. Returns
    /// whether data must not be modified while it is written, and that is new.
    fn set_limits(&self, limits: &mut QueueLimits) -> bool {
        let bdev = self.bdev();
        let zeroes = bdev.write_zeroes_sectors();
        let granularity = if zeroes > 0 {
            bdev.discard_granularity()
        } else {
            0
        };
        limits
            // A device without a cache ignores FUA, since each of its writes is on the medium when it ends.
            .set_fua(bdev.has_fua() || !bdev.has_write_cache())
            // A discard must not take the blocks away.
            .set_discard(zeroes, zeroes, granularity);
        bdev.needs_stable_writes() && limits.require_stable_writes()
    }
}

/// Looks for reasons that can be seen without changing anything.
fn check(disk: &Disk<Loop>, binding: &Binding, sparse: Sparse) -> Result<(), Reason> {
    let file = binding.backing.file();
    match file.kind() {
        FileKind::Regular => (),
        _ => return Err(Reason::NotRegular),
    }
    // First: such a file has no direct I/O, whatever is asked for.
    if file.is_encrypted() {
        return Err(Reason::Encrypted);
    }
    if !binding.direct {
        return Err(Reason::NotDirect);
    }
    if !binding.backing.is_writable() {
        return Err(Reason::NotWritable);
    }
    if sparse == Sparse::Fill && file.flags() & O_APPEND != 0 {
        return Err(Reason::Append);
    }
    if !is_aligned(binding.offset) {
        return Err(Reason::Offset);
    }
    if !is_aligned(file.cached_size()) {
        return Err(Reason::Size);
    }
    if let Some(result) = file.with_sb_block_device(|bdev| check_device(disk, bdev)) {
        result?;
    }
    SwapFile::check_supported(file).map_err(Reason::from_swap_file)
}

fn check_device(disk: &Disk<Loop>, bdev: &DeviceLimits) -> Result<(), Reason> {
    if bdev.is_zoned() {
        return Err(Reason::Zoned);
    }
    if disk.logical_block_size() < bdev.logical_block_size() {
        return Err(Reason::BlockSize);
    }
    if bdev.dma_alignment() & !disk.dma_alignment() != 0 {
        return Err(Reason::Alignment);
    }
    Ok(())
}

/// Whether a position suits pinned mode.
pub(crate) fn is_aligned(pos: i64) -> bool {
    pos & (PAGE_SIZE as i64 - 1) == 0
}

/// An attempt to pin the backing file of a device, as others see it. There is one at a time
/// ([`State::is_pinning`](crate::device::State)).
pub(crate) struct Pinning {
    is_cancelled: AtomicFlag,
    /// How much of the file has no holes, in percent.
    percent: Atomic<u32>,
}

impl Pinning {
    pub(crate) const fn new() -> Self {
        Self {
            is_cancelled: AtomicFlag::new(false),
            percent: Atomic::new(0),
        }
    }

    /// The attempt, if there is one, is to end soon. Whoever changes what it depends on calls this, with the mutex
    /// held, or where there can be no new one.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    /// `ECANCELED` if it is to end, `EINTR` if its task is killed.
    fn check(&self) -> Result {
        if self.is_cancelled.load(Relaxed) {
            return Err(ecanceled());
        }
        match fatal_signal_pending() {
            true => Err(EINTR),
            false => Ok(()),
        }
    }

    /// The file has no holes up to `pos`; `size` is its size. There may be some more by the end.
    fn set_progress(&self, pos: i64, size: i64) {
        let percent = pos.saturating_mul(100).checked_div(size).unwrap_or(0);
        self.percent
            .store(u32::try_from(percent).unwrap_or(0).min(99), Relaxed);
    }
}

/// How far pinning has come, in percent: 100 if the file is pinned, 0 where nobody is about to pin it.
pub(crate) fn progress(disk: &Disk<Loop>, is_pinned: bool) -> u32 {
    match is_pinned {
        true => 100,
        false => disk.data().pinning.percent.load(Relaxed),
    }
}

/// Pins the backing file of a device. Where that is refused nothing is changed, but for holes that were filled
/// before the file system said no, or another writer came. May sleep, for as long as filling takes.
///
/// The disk's mutex is not held for long, nor the gate closed: what changes the device meanwhile cancels this.
///
/// Fails as [`Reason::error`] has it, and with `EBUSY` if somebody else is about to pin it.
pub(crate) fn pin(disk: &Disk<Loop>, sparse: Sparse) -> Result {
    {
        let mut guard = Loop::lock_bound(disk)?;
        if guard.config().and_then(Binding::pinned).is_some() {
            return Ok(());
        }
        if guard.is_pinning {
            return Err(EBUSY);
        }
        guard.is_pinning = true;
        guard.not_pinned = Reason::None;
        disk.data().pinning.is_cancelled.store(false, Relaxed);
        let _ = attrs::update(&guard);
    }
    let result = try_pin(disk, sparse);
    disk.data().pinning.percent.store(0, Relaxed);
    let (mut guard, reason) = match result {
        Ok(guard) => (guard, Reason::None),
        Err(reason) => (disk.lock(), reason),
    };
    guard.is_pinning = false;
    // Else it was said already by who has changed it, or there is no file any more.
    if reason != Reason::Changed && disk.data().phase() == Phase::Bound {
        guard.not_pinned = reason;
        let _ = attrs::update(&guard);
    }
    if disk.data().may_log() {
        let number = disk.data().number;
        match guard.config().and_then(Binding::pinned) {
            Some(pinned) => pr_info!("loop{number}: pinned, {} extents\n", pinned.file.extents()),
            None => pr_info!("loop{number}: not pinned: {}\n", reason.text()),
        }
    }
    match reason {
        Reason::None => Ok(()),
        reason => Err(reason.error()),
    }
}

fn try_pin(disk: &Disk<Loop>, sparse: Sparse) -> Result<DiskGuard<'_, Loop>, Reason> {
    let file = {
        let guard = Loop::lock_bound(disk).map_err(Reason::Error)?;
        let binding = guard.config().ok_or(Reason::Error(ENXIO))?;
        check(disk, binding, sparse)?;
        binding.backing.file().clone()
    };
    let holes = Holes::of(&file).map_err(Reason::Error)?;
    if sparse == Sparse::Refuse && holes.next(0).map_err(Reason::Error)?.is_some() {
        return Err(Reason::Sparse);
    }
    // The more of it is written now the less there is to write while writes are held up.
    write_back(disk, &holes)?;
    let mut patience = FREEZE_MS.start;
    let mut guard = loop {
        if sparse == Sparse::Fill {
            fill(disk, &file, &holes, &mut patience)?;
        }
        holes.sync().map_err(Reason::Error)?;
        let held_up = HeldUp::begin(disk, &file, &mut patience)?;
        // What waits at the gate must not be needed for memory that this task waits for.
        let _scope = IoWorkerScope::enter();
        // There is a discard that made some anew.
        if sparse == Sparse::Fill && !fill_rest(&held_up, &holes).map_err(Reason::from_fill)? {
            continue;
        }
        let pinned = claim(disk, &file)?;
        let guard = disk.lock();
        // As before it became known to others.
        let result = match guard.config() {
            Some(binding) if disk.data().phase() == Phase::Bound => check(disk, binding, sparse)
                .and_then(|()| disk.data().pinning.check().map_err(Reason::from_fill))
                .map(|()| binding),
            _ => Err(Reason::Changed),
        };
        match result {
            Ok(binding) => binding.set_pinned(pinned),
            Err(reason) => {
                drop(guard);
                return Err(reason);
            }
        }
        break guard;
    };
    let mut limits = LimitsUpdate::start(disk);
    let stable_writes = guard
        .config()
        .and_then(Binding::pinned)
        .is_some_and(|pinned| pinned.set_limits(&mut limits));
    // This also waits for what began before the file was pinned.
    let mut frozen = guard.freeze();
    // Those of the file are right, too, if not the best.
    if limits.commit_frozen(&frozen).is_ok() && stable_writes {
        frozen.parts().1.require_stable_writes(disk);
    }
    drop(frozen);
    Ok(guard)
}

/// As long as this exists no write is on its way, and the file system is not frozen.
struct HeldUp<'a> {
    file: &'a File,
    access: Option<WriteAccess>,
    /// What it took to get there, in milliseconds.
    took: i64,
    _gate: ClosedGate<'a>,
}

impl<'a> HeldUp<'a> {
    /// Closes the gate, once the file system is not frozen. May sleep, without any lock for more than a moment.
    /// `patience` is what this begins with, and has to go to, of [`FREEZE_MS`].
    fn begin(disk: &'a Disk<Loop>, file: &'a File, patience: &mut Msecs) -> Result<Self, Reason> {
        loop {
            disk.data().pinning.check().map_err(Reason::from_fill)?;
            // Those writes that are on their way would wait for the thaw. The access is not kept while they are
            // waited for: they wait for a freeze, and that for this.
            let Some(access) = WriteAccess::try_start(file) else {
                fsleep(PAUSE);
                continue;
            };
            access.end(file);
            if let Some(this) = Self::try_begin(disk, file, *patience)? {
                return Ok(this);
            }
            fsleep(PAUSE);
            *patience = patience.saturating_mul(2).min(FREEZE_MS.end);
        }
    }

    /// Gives up, with `None`, if what is on its way takes longer than so many milliseconds.
    fn try_begin(
        disk: &'a Disk<Loop>,
        file: &'a File,
        patience: Msecs,
    ) -> Result<Option<Self>, Reason> {
        let began = Instant::<Monotonic>::now();
        let gate = {
            let mut guard = disk.lock_killable().map_err(Reason::Error)?;
            if disk.data().phase() != Phase::Bound {
                return Err(Reason::Changed);
            }
            disk.data().pinning.check().map_err(Reason::from_fill)?;
            let Some(frozen) = guard.freeze_timeout(msecs_to_jiffies(patience)) else {
                return Ok(None);
            };
            disk.data().gate.close(&frozen)
        };
        let (Some(gate), Some(access)) = (gate, WriteAccess::try_start(file)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            file,
            access: Some(access),
            took: began.elapsed().as_millis(),
            _gate: gate,
        }))
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        if let Some(access) = self.access.take() {
            access.end(self.file);
        }
    }
}

/// Writes back what the page cache has of the file, and drops it, a piece at a time.
fn write_back(disk: &Disk<Loop>, holes: &Holes) -> Result<(), Reason> {
    let mut pos = 0;
    while pos < holes.file_size() {
        disk.data().pinning.check().map_err(Reason::from_fill)?;
        let end = pos.saturating_add(4 * PIECE);
        holes.write_back(pos..end).map_err(Reason::from_fill)?;
        pos = end;
    }
    Ok(())
}

/// Fills holes, a piece at a time, which is written with the gate open again: until then it is in memory only. Then
/// others may write for as long as they were held up.
fn fill(disk: &Disk<Loop>, file: &File, holes: &Holes, patience: &mut Msecs) -> Result<(), Reason> {
    let pinning = &disk.data().pinning;
    let mut pos = 0;
    while let Some(range) = holes.batch(pos, PIECE).map_err(Reason::Error)? {
        let start = range.start;
        let began = Instant::<Monotonic>::now();
        let end = {
            let held_up = HeldUp::begin(disk, file, patience)?;
            fill_range(&held_up, holes, range)
        };
        let pause = began.elapsed().as_micros_ceil();
        pos = end.map_err(Reason::from_fill)?;
        let opened = Instant::<Monotonic>::now();
        holes.write_back(start..pos).map_err(Reason::from_fill)?;
        pinning.set_progress(pos, holes.file_size());
        pinning.check().map_err(Reason::from_fill)?;
        let pause = pause.saturating_sub(opened.elapsed().as_micros_ceil());
        fsleep(Delta::from_micros(pause.clamp(0, PAUSE.as_micros_ceil())));
    }
    Ok(())
}

/// Fills the few holes that came since [`fill`] has ended. False if there are more.
fn fill_rest(held_up: &HeldUp<'_>, holes: &Holes) -> Result<bool> {
    let Some(range) = holes.batch(0, PIECE)? else {
        return Ok(true);
    };
    let end = range.end;
    Ok(fill_range(held_up, holes, range)? == end && holes.next(end)?.is_none())
}

/// Fills the holes in a range, as long as it may. Returns where that ended.
fn fill_range(held_up: &HeldUp<'_>, holes: &Holes, range: Range<i64>) -> Result<i64> {
    let Some(access) = &held_up.access else {
        return Err(EIO);
    };
    let began = Instant::<Monotonic>::now();
    // What waits at the gate must not be needed for memory that this task waits for.
    let _scope = IoWorkerScope::enter();
    holes.fill(held_up.file, access, range, || {
        began.elapsed().as_millis() < held_up.took.max(PIECE_MS) && !fatal_signal_pending()
    })
}

/// With the gate closed.
fn claim(disk: &Disk<Loop>, file: &ARef<File>) -> Result<Pin<KBox<Pinned>>, Reason> {
    let swap_file = SwapFile::new(file).map_err(Reason::from_swap_file)?;
    check_device(disk, swap_file.bdev())?;
    Pinned::new(file.clone(), swap_file).map_err(Reason::Error)
}

/// Lets the backing file go, if it is pinned, or about to be, and cannot serve a device of so many sectors from an offset on, in
/// bytes. May sleep.
pub(crate) fn unpin_unsuitable(guard: &mut DiskGuard<'_, Loop>, offset: i64, sectors: u64) {
    let disk = guard.disk();
    let suits = guard.config().is_none_or(|binding| {
        !guard.is_pinning && binding.pinned().is_none()
            || is_aligned(offset)
                && binding.backing.can_dio(offset, disk)
                && binding
                    .pinned()
                    .is_none_or(|pinned| !pinned.is_beyond(offset, sectors))
    });
    if !suits {
        unpin(guard, Reason::Changed);
    }
}

/// Lets the backing file go, if it is pinned. Has an attempt to pin it end soon. The gate is open. May sleep.
pub(crate) fn unpin(guard: &mut DiskGuard<'_, Loop>, reason: Reason) {
    let disk = guard.disk();
    let Some(binding) = guard.config().filter(|binding| binding.pinned().is_some()) else {
        if guard.is_pinning {
            disk.data().pinning.cancel();
            guard.not_pinned = reason;
            let _ = attrs::update(guard);
        }
        return;
    };
    // The file system is asked before anything is locked.
    let discard = binding.backing.discard_limits();
    let mut limits = LimitsUpdate::start(disk);
    binding.backing.set_mode_limits(&mut limits, discard);
    binding.apply_unsupported(&mut limits);
    // What waits at the gate must not be needed for memory that this task waits for.
    let _scope = IoWorkerScope::enter();
    let (gate, pinned) = {
        let mut frozen = guard.freeze();
        // They were valid before.
        let _ = limits.commit_frozen(&frozen);
        let gate = disk.data().gate.close(&frozen);
        kernel::warn_on!(gate.is_none());
        let (binding, state) = frozen.parts();
        // Before a flush can go to the file again: its file system saw nothing of what was written. That flush fails
        // if this does.
        if let Some(pinned) = binding.as_ref().and_then(|binding| binding.pinned()) {
            pinned.file.flush_for_file_system();
        }
        state.not_pinned = reason;
        (gate, binding.map(Binding::take_pinned))
    };
    if let Some(times) = guard.config().and_then(|binding| binding.times.as_ref()) {
        times.finish();
    }
    // Until this is done the file refuses to be written to. Not with the queue frozen: it takes locks of the
    // file system.
    drop(pinned);
    drop(gate);
    let _ = attrs::update(guard);
    if disk.data().may_log() {
        pr_info!("loop{}: not pinned any more\n", disk.data().number);
    }
}
