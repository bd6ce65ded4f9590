// SPDX-License-Identifier: GPL-2.0

//! What the requests of a bound device depend on.

use crate::{
    abstractions::{
        block::{disk::Disk, limits::QueueLimits, mq::RemapTo, BioSet, Extent},
        fs::{write_access::WriteAccess, FallocateMode},
    },
    backing::{BackingFile, SECTOR_SIZE},
    driver::Loop,
    hw_queue::HwQueue,
    pinned::Pinned,
    times::Times,
};
use kernel::{
    fs::File,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag, Relaxed},
        Arc, SetOnce,
    },
};

/// Writes that are not tried without waiting after one that had to wait: many more than are on their way
/// at a time, all of which may be tried before the first one fails.
const UNTRIED_WRITES: u32 = 1024;

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

impl RemapTo for Binding {
    #[inline(always)] // Called for each request, from one place but for rare ones.
    fn map(&self, pos: i64, bytes: u32) -> Option<Extent<'_>> {
        let pos = pos.checked_add(self.offset)?;
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

    /// Begins pinned mode, while writes are blocked. The file must not be pinned yet.
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

    /// The limits promise all anew.
    pub(crate) fn reset_unsupported(&self) {
        self.no_punch_hole.store(false, Relaxed);
        self.no_zero_range.store(false, Relaxed);
    }

    /// Whether direct I/O is possible for a device with the limits that `disk` has, which begins `offset` bytes into
    /// the file.
    pub(crate) fn can_dio_at(&self, offset: i64, disk: &Disk<Loop>) -> bool {
        self.backing
            .can_dio(offset, disk.logical_block_size(), disk.dma_alignment())
    }

    /// Switches direct I/O off where it is not possible (any more), and says so.
    pub(crate) fn check_direct(&mut self, disk: &Disk<Loop>) {
        if !self.direct || self.can_dio_at(self.offset, disk) {
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
