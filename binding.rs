// SPDX-License-Identifier: GPL-2.0

//! What the requests of a bound device depend on.

use crate::{
    abstractions::{
        block::{disk::Disk, limits::QueueLimits, Extent},
        fs::FallocateMode,
        time::jiffies,
    },
    backing::{BackingFile, DioUnit, NoDio, SECTOR_SIZE},
    driver::{DeviceParams, Loop},
    exclusion::Exclusion,
    hw_queue::HwQueue,
    pinned::{Pinned, Slot},
    recent::Recent,
    times::Times,
    write_backoff::WriteBackoff,
};
use kernel::{
    fs::File,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag, Relaxed},
        Arc, SetOnce,
    },
};

/// What a bound device's requests depend on.
pub(crate) struct Binding {
    pub(crate) backing: BackingFile,
    /// Where the device begins in the file, in bytes.
    pub(crate) offset: i64,
    /// Whether I/O bypasses the page cache of the file.
    pub(crate) direct: bool,
    pub(crate) read_only: bool,
    /// The alignment of requests that direct I/O takes; none while direct I/O is off.
    pub(crate) dio_unit: DioUnit,
    /// Relaxed, as the next: a request that sets one ends before the freeze in `Withdraw` does.
    no_punch_hole: AtomicFlag,
    no_zero_range: AtomicFlag,
    /// Used for direct writes only.
    pub(crate) write_backoff: WriteBackoff,
    /// Whether the file system lets the file be read through its page cache.
    readable: Recent,
    /// Blocking writes in flight. Relaxed: it only helps to choose a worker.
    blocking_writes: Atomic<i32>,
    /// Serialises writes of parts of direct-I/O blocks. Made before the first of them can arrive,
    /// and kept.
    exclusion: SetOnce<Arc<Exclusion>>,
    /// Full in pinned mode; never for a block device.
    pub(crate) pinned: Slot,
    /// Keeps writes in the order of their submission, if the lowest device is zoned.
    pub(crate) ordered: Option<Arc<HwQueue>>,
    /// The times of the backing file; `None` if the device is read-only.
    pub(crate) times: Option<Arc<Times>>,
}

impl Binding {
    pub(crate) fn new(
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
            dio_unit: DioUnit::default(),
            no_punch_hole: AtomicFlag::new(false),
            no_zero_range: AtomicFlag::new(false),
            write_backoff: WriteBackoff::new(),
            readable: Recent::new(),
            blocking_writes: Atomic::new(0),
            exclusion: SetOnce::new(),
            pinned: Slot::new(),
            ordered,
            times,
        }
    }

    /// The backing file.
    pub(crate) fn file(&self) -> &File {
        self.backing.file()
    }

    /// Whether a read may be served from the page cache without calling the file system, which may
    /// have been shut down.
    pub(crate) fn can_read_cached(&self) -> bool {
        self.backing.reads_from_cache() && (self.backing.is_block() || self.readable.holds())
    }

    /// Notes that a buffered read has succeeded. Any context.
    pub(crate) fn note_read(&self) {
        self.readable.confirm(jiffies());
    }

    /// Where byte `pos` of the device is in the backing file; `EIO` beyond the largest position.
    pub(crate) fn file_pos(&self, pos: i64) -> Result<i64> {
        pos.checked_add(self.offset).ok_or(EIO)
    }

    /// Maps bytes of the device to the device below, for [`Request::remap`].
    ///
    /// [`Request::remap`]: crate::abstractions::block::mq::Request::remap
    #[inline(always)] // Called for each request, by one caller; others are rare.
    pub(crate) fn map(&self, pos: i64, bytes: u32) -> Option<Extent<'_>> {
        let pos = self.file_pos(pos).ok()?;
        let Some(bdev) = self.backing.block_device() else {
            return self.pinned()?.map(pos, bytes);
        };
        Some(Extent {
            bdev,
            sector: u64::try_from(pos).ok()? / u64::from(SECTOR_SIZE),
            bytes,
            bottom: self.backing.is_on_bottom(),
        })
    }

    /// The backing file's fixed blocks, in pinned mode.
    pub(crate) fn pinned(&self) -> Option<&Pinned> {
        self.pinned.get()
    }

    /// Whether the device that requests are remapped to is not stacked on another one.
    pub(crate) fn is_on_bottom(&self) -> bool {
        self.backing.is_on_bottom() || self.pinned().is_some_and(Pinned::is_on_bottom)
    }

    /// Begins a write to the block device that the backing file is: marks its times. Process
    /// context.
    #[inline]
    pub(crate) fn begin_device_write(&self) {
        if let Some(times) = &self.times {
            times.begin_device_write();
        }
    }

    /// Commits the times of the backing file if they have to be durable now. May sleep.
    pub(crate) fn commit_times(&self) -> Result {
        self.times.as_ref().map_or(Ok(()), |times| times.commit())
    }

    /// Counts a blocking write that begins.
    pub(crate) fn begin_blocking_write(&self) {
        self.blocking_writes.fetch_add(1, Relaxed);
    }

    /// Counts a blocking write as ended.
    pub(crate) fn end_blocking_write(&self) {
        self.blocking_writes.fetch_sub(1, Relaxed);
    }

    /// Whether blocking writes are in flight; may be out of date at once.
    pub(crate) fn has_blocking_writes(&self) -> bool {
        self.blocking_writes.load(Relaxed) > 0
    }

    /// The flag that says that the file turned out not to support `mode`.
    pub(crate) fn unsupported(&self, mode: FallocateMode) -> &AtomicFlag {
        match mode {
            FallocateMode::PunchHole => &self.no_punch_hole,
            FallocateMode::ZeroRange => &self.no_zero_range,
        }
    }

    /// Removes from `limits` what the file turned out not to support.
    pub(crate) fn apply_unsupported(&self, limits: &mut QueueLimits) {
        if self.no_punch_hole.load(Relaxed) {
            limits.set_no_discard();
        }
        if self.no_zero_range.load(Relaxed) {
            limits.set_no_write_zeroes();
        }
    }

    /// Forgets what the file turned out not to support: the limits were set anew.
    pub(crate) fn reset_unsupported(&self) {
        self.no_punch_hole.store(false, Relaxed);
        self.no_zero_range.store(false, Relaxed);
    }

    /// Serialises writes of parts of direct-I/O blocks. It exists whenever [`DioUnit::mask`] is not
    /// 0.
    pub(crate) fn exclusion(&self) -> Option<&Arc<Exclusion>> {
        self.exclusion.as_ref()
    }

    /// Makes the [`exclusion`](Self::exclusion), if direct I/O on `backing` may need it for a
    /// device with that logical block size. To be called before
    /// [`apply_dio`](Self::apply_dio), with the queue not frozen. May sleep.
    pub(crate) fn make_exclusion(
        &self,
        backing: &BackingFile,
        block_size: u32,
        params: &DeviceParams,
    ) -> Result {
        if block_size < backing.dio_block_size() && self.exclusion.as_ref().is_none() {
            self.exclusion.populate(Exclusion::new(params)?);
        }
        Ok(())
    }

    /// Checks whether direct I/O is possible for a device with the limits of `disk` that begins
    /// `offset` bytes into the file, and returns what it takes.
    pub(crate) fn check_dio(&self, offset: i64, disk: &Disk<Loop>) -> Result<DioUnit, NoDio> {
        let block_size = disk.logical_block_size();
        let unit = self
            .backing
            .check_dio(offset, block_size, disk.dma_alignment())?;
        match unit.mask {
            0 => Ok(unit),
            // A zone is written from its beginning to its end, each block once.
            _ if self.ordered.is_some() => Err(NoDio::Zoned),
            _ if self.exclusion.as_ref().is_none() => Err(NoDio::NoMemory),
            _ => Ok(unit),
        }
    }

    /// Computes [`dio_unit`](Self::dio_unit) anew. Switches direct I/O off, with a line in the log,
    /// if it is not possible any more. Returns why direct I/O is off although it was asked for;
    /// `before` is what this returned last.
    pub(crate) fn apply_dio(&mut self, disk: &Disk<Loop>, before: NoDio) -> NoDio {
        let result = self.check_dio(self.offset, disk);
        self.dio_unit = match (self.direct, result) {
            (true, Ok(unit)) => unit,
            _ => DioUnit::default(),
        };
        let reason = match (self.direct, result) {
            (true, Ok(_)) => return NoDio::NotAsked,
            (false, _) if before == NoDio::NotAsked => return before,
            (false, Ok(_)) => return NoDio::Earlier,
            (false, Err(reason)) => return reason,
            (true, Err(reason)) => reason,
        };
        self.direct = false;
        if !disk.data().may_log() {
            return reason;
        }
        let number = disk.data().number;
        match reason {
            NoDio::Offset | NoDio::Memory => pr_info!(
                "loop{number}: no direct I/O: offset {}, block size {} and memory alignment {} do not suit the backing file\n",
                self.offset,
                disk.logical_block_size(),
                disk.dma_alignment().saturating_add(1)
            ),
            reason => pr_info!("loop{number}: no direct I/O: {}\n", reason.text()),
        }
        reason
    }
}
