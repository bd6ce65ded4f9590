// SPDX-License-Identifier: GPL-2.0

//! Pinned mode: requests go straight to the blocks of the backing file.
//!
//! The backing file is held like a swap file ([`SwapFile`]): its blocks are known and stay where
//! they are, and the kernel refuses other writers. A request becomes bios to the device below, past
//! the file system. Programs that read the file fill its page cache; each write drops the pages
//! that it makes out of date, as direct I/O on the file would.
//!
//! The file system still decides whether there may be writes; reads go on whatever it decides.
//! While it is frozen, writes wait for the thaw in work items that may block (`begin_access()` in
//! `issue.rs`). While it is read-only, and from about 40 ms after a shutdown on (see `recent.rs`),
//! they fail.
//!
//! `issue.rs` issues requests. `switch.rs` switches pinned mode on and off; `fill.rs` fills holes
//! for it, and `held_up.rs` blocks writes by means of `write_barrier.rs`. `pinning.rs` is an
//! attempt to pin as other tasks see it, and `reason.rs` says why a device is not pinned.

use crate::{
    abstractions::{
        block::{limits::QueueLimits, BioSet, BlockDevice, Extent, ZeroMode},
        error::eopnotsupp,
        fs::{probe_write, FileExt, IoBuffer, SwapFile, WriteAccess},
        iov::Direction,
        time::jiffies,
    },
    backing::{MAX_DISCARD, SECTOR_SIZE},
    recent::Recent,
};
use core::ops::Range;
use kernel::{
    fs::File,
    prelude::*,
    sync::{aref::ARef, SetOnce},
};

mod fill;
mod held_up;
pub(crate) mod issue;
mod pinning;
mod reason;
pub(crate) mod switch;
pub(crate) mod write_barrier;

pub(crate) use pinning::{Pinning, Status};
pub(crate) use reason::NotPinned;

/// Bios in the reserve of each device, used when no memory is free. One guarantees progress; 16
/// keep some parallelism.
const RESERVE: u32 = 16;

/// Holds the [`Pinned`] of a binding. It is filled with requests in flight, none of which writes,
/// and emptied with none in flight.
#[derive(Default)]
pub(crate) struct Slot(SetOnce<Pin<KBox<Pinned>>>);

impl Slot {
    pub(crate) const fn new() -> Self {
        Self(SetOnce::new())
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Pinned> {
        self.0.as_ref().map(|pinned| &**pinned)
    }
}

/// A backing file with fixed blocks.
#[pin_data]
pub(crate) struct Pinned {
    file: SwapFile,
    backing: ARef<File>,
    #[pin]
    bios: BioSet,
    /// Whether the file system admits writes.
    writable: Recent,
}

impl Pinned {
    fn new(backing: ARef<File>, file: SwapFile) -> Result<Pin<KBox<Self>>> {
        KBox::try_pin_init(
            try_pin_init!(Self {
                file,
                backing,
                bios <- BioSet::new(RESERVE),
                writable: Recent::new(),
            }),
            GFP_KERNEL,
        )
    }

    fn bios(&self) -> &BioSet {
        &self.bios
    }

    fn bdev(&self) -> &BlockDevice {
        self.file.bdev()
    }

    /// Flushes the device below. Also fails with an error of the file's writeback from before it
    /// was pinned, if no flush has reported it. May sleep.
    fn flush(&self) -> Result {
        let result = self.bdev().flush();
        self.backing.take_error().and(result)
    }

    /// Whether the device below is not stacked on another one.
    pub(crate) fn is_on_bottom(&self) -> bool {
        self.file.is_on_bottom()
    }

    /// Whether a device of so many sectors, from byte `offset` of the file on, has sectors that are
    /// not in the fixed blocks: the backing file cannot shrink, but it can grow.
    fn is_beyond(&self, offset: i64, sectors: u64) -> bool {
        let size = u64::try_from(self.file.size().saturating_sub(offset)).unwrap_or(0);
        sectors > size / u64::from(SECTOR_SIZE)
    }

    /// Maps bytes of the backing file to the device below, see [`SwapFile::map`].
    #[inline]
    pub(crate) fn map(&self, pos: i64, bytes: u32) -> Option<Extent<'_>> {
        self.file.map(pos, bytes)
    }

    /// Begins a write, if the file system is known to admit writes and is not frozen. Neither waits
    /// nor calls the file system.
    #[inline]
    fn try_begin_write(&self) -> Option<WriteAccess<'_>> {
        let sb = self.backing.super_block();
        if !self.writable.holds() || sb.is_read_only() {
            return None;
        }
        sb.try_start_write()
    }

    /// Begins a write. While the file system is frozen, waits if `wait` is set, else fails with
    /// `EAGAIN`. Fails with `EROFS`, or the file system's own error, where it admits no writes. May
    /// sleep. The caller marks the times of the file when the write ends.
    fn begin_write(&self, wait: bool) -> Result<WriteAccess<'_>> {
        let sb = self.backing.super_block();
        let access = match wait {
            true => sb.start_write(),
            false => sb.try_start_write().ok_or(EAGAIN)?,
        };
        let now = jiffies();
        if sb.is_read_only() {
            return Err(EROFS);
        }
        if !self.writable.is_of(now) {
            check_writable(&self.backing)?;
        }
        self.writable.confirm(now);
        Ok(access)
    }

    /// Reads the backing file from byte `pos` on into the part `at` of a buffer, or writes it from
    /// there, and waits. The range is of whole blocks of the device below. For a write,
    /// [`begin_write`](Self::begin_write) was called before. May sleep.
    pub(crate) fn transfer(
        &self,
        buffer: &mut IoBuffer,
        at: Range<usize>,
        direction: Direction,
        pos: i64,
    ) -> Result {
        let (mut left, mut pos) = (at, pos);
        while !left.is_empty() {
            let extent = self
                .map(pos, u32::try_from(left.len())?)
                .filter(|extent| extent.bytes > 0)
                .ok_or(EIO)?;
            buffer.transfer_extent(left.start, &extent, direction)?;
            left.start = left.start.saturating_add(extent.bytes as usize);
            pos = pos.saturating_add(i64::from(extent.bytes));
        }
        Ok(())
    }

    /// Makes a range of the backing file read as zeroes. The file system counts its blocks as
    /// allocated whatever `mode` is, and relies on zeroes; `mode` says whether the device may
    /// deallocate them. May sleep.
    fn zero(&self, pos: i64, bytes: u32, mode: ZeroMode) -> Result {
        let mut done = 0;
        while done < bytes {
            let pos = pos.checked_add(i64::from(done)).ok_or(EIO)?;
            let extent = self.map(pos, bytes - done).ok_or(EIO)?;
            BlockDevice::zero_out(&extent, mode)?;
            done = done.checked_add(extent.bytes).ok_or(EIO)?;
        }
        Ok(())
    }

    /// Sets `limits` to those of the device below. The ones that a stacked device copies stay those
    /// of the file.
    fn set_limits(&self, limits: &mut QueueLimits) {
        let bdev = self.bdev();
        // A device without a volatile cache ignores FUA, since each write is on the medium when it
        // ends.
        limits.set_fua(bdev.has_fua() || !bdev.has_write_cache());
        self.set_discard_limits(limits);
    }

    /// Whether the file can be discarded at the moment. That takes write-zeroes of the device
    /// below, which may withdraw them after one has failed.
    pub(crate) fn has_discard(&self) -> bool {
        self.bdev().write_zeroes_sectors() > 0
    }

    /// Sets the limits of discards and write-zeroes by what the device below supports now: none, or
    /// those of the file. [`zero`](Self::zero) splits them.
    pub(crate) fn set_discard_limits(&self, limits: &mut QueueLimits) {
        // Without write-zeroes of the device, a discard would be a slow write.
        let (sectors, granularity) = match self.has_discard() {
            true => (MAX_DISCARD, self.bdev().discard_granularity()),
            false => (0, 0),
        };
        limits.set_discard(sectors, sectors, granularity);
    }
}

/// Asks the file system whether it admits writes: not if it was shut down, or was made read-only by
/// a user or because of an error. Only some of these states can be seen from outside. Fails with
/// the file system's error. May sleep for a short lock.
fn check_writable(file: &File) -> Result {
    match probe_write(file, true) {
        // The file system would have to wait, or does not know `IOCB_NOWAIT`; it refuses a swap
        // file; it refuses the position. None of these says that it admits no writes.
        Err(e) if e == EAGAIN || e == eopnotsupp() || e == ETXTBSY || e == EFBIG || e == EINVAL => {
            Ok(())
        }
        result => result,
    }
}
