// SPDX-License-Identifier: GPL-2.0

//! The file that a device stores its data in.
//!
//! # Errors of writeback
//!
//! Writeback that no task waits for may fail. The file's mapping keeps the error, and `fsync` of
//! each open file reports it once. The error is meant for the users that flush the device, so only
//! a flush, or a write with FUA, calls [`FileExt::fsync`] on the backing file. All other code that
//! needs data written keeps the error:
//!
//! - Dirty pages are written before direct I/O ([`BackingFile::write_dirty`]) and before the file
//!   is pinned ([`AddressSpace::write_dirty`]).
//! - A file that becomes pinned is synced as another open file ([`FileExt::reopen`]).
//! - A flush in pinned mode goes to the device below, and consumes the error separately
//!   ([`FileExt::take_error`]).
//! - If the flush at the end of pinned mode fails, that is recorded as such an error
//!   ([`AddressSpace::set_error`]).
//! - Ioctls write dirty pages of the device's own page cache by [`AddressSpace::write_dirty`], too:
//!   `sync_blockdev()` would consume an error that the next sync of a file system on the device has
//!   to report.
//! - A task that lets the file go, at detach or `LOOP_CHANGE_FD`, logs the error that no flush has
//!   reported ([`FileExt::check_error`]).
//!
//! # Limits that a stacked device copies
//!
//! Device mapper and md copy limits of the device when a table is loaded or an array starts, and
//! never read them again. No transition may break what they rely on. From the bind of a file to its
//! detach:
//!
//! - `BLK_FEAT_WRITE_CACHE` stays the same, and the DMA alignment changes only with the logical
//!   block size. [`BackingFile::set_limits`] sets them for all modes of I/O at once. Direct I/O is
//!   off where the file needs a larger alignment ([`Binding::apply_dio`]), and pinned mode is
//!   refused.
//! - The logical block size changes only under an exclusive claim of the node that
//!   `LOOP_SET_BLOCK_SIZE` is called on. The ioctl fails if device mapper or md has claimed that
//!   node, or, on the whole disk, one of its partitions. As with the C driver, the claim does not
//!   keep out a loop device on this one, which holds no claim; nor, on a partition's node, a device
//!   that has claimed another partition.
//! - `BLK_FEAT_STABLE_WRITES` is set if direct I/O is possible and the file or the device below
//!   needs it. If they begin to need it later, it is set when direct I/O or pinned mode is switched
//!   on. It is not cleared.
//! - `BLK_FEAT_ZONED` and integrity are never set.
//! - `BLK_FEAT_FUA` is set in pinned mode only. If a stacked device still counts on it afterwards,
//!   the block layer adds a flush after the write, as long as `BLK_FEAT_WRITE_CACHE` is set.
//!   Requests of request-based device mapper bypass that, so [`LoopCmd`] syncs the file after such
//!   a write.
//! - Physical block size, minimum and optimal I/O size are hints. They follow direct I/O where its
//!   blocks are larger.
//! - Discard and write-zeroes may be withdrawn: the block layer refuses them with `EOPNOTSUPP`, and
//!   their users fall back. Their size is not reduced: a request of request-based device mapper
//!   that is larger than the limit takes a path of it out of use.
//!
//! [`AddressSpace::write_dirty`]: crate::abstractions::fs::AddressSpace::write_dirty
//! [`AddressSpace::set_error`]: crate::abstractions::fs::AddressSpace::set_error
//! [`Binding::apply_dio`]: crate::binding::Binding::apply_dio
//! [`LoopCmd`]: crate::loop_cmd::LoopCmd

use crate::abstractions::{
    block::{limits::QueueLimits, mq::Op, BlockDevice, DeviceLimits},
    fs::{FileBlockDevice, FileExt, NoFsRecursion, StatMask},
};
use core::cmp::{max, min};
use kernel::{
    fs::{file::flags::O_DIRECT, File},
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
};

/// Bytes in a sector, the unit of capacities.
pub(crate) const SECTOR_SIZE: u32 = 512;

/// The largest discard or write-zeroes of a file, in sectors: the C driver's.
pub(crate) const MAX_DISCARD: u32 = u32::MAX / SECTOR_SIZE;

/// The largest transfer, in bytes, of a request that is not made of whole direct-I/O blocks of the
/// file, and so the largest such block.
pub(crate) const MAX_TRANSFER: u32 = 32 << 10;

/// The alignment that direct I/O on a file requires.
#[derive(Clone, Copy)]
struct DioAlign {
    /// Alignment of positions and lengths, in bytes; a power of two.
    offset: u32,
    /// Mask of the bits that must be clear in a buffer's address.
    memory: u32,
}

/// The alignment that a request needs for direct I/O to take it as one transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DioUnit {
    /// Mask of the bits that must be clear in positions and lengths; 0 if the device's logical
    /// blocks suit the file, so that every request is aligned.
    pub(crate) mask: u32,
    /// Mask of the bits that must be clear in addresses of memory: at least `mask`, since some
    /// disks need each block in one piece, and do not report that (`null_blk`).
    pub(crate) memory: u32,
    /// Mask for the ends, in the file, of the range that a write may rewrite around its data: whole
    /// pages and file-system blocks, as the page cache writes them. At least `mask`.
    pub(crate) rewritten: u32,
}

/// Why direct I/O is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDio {
    /// Direct I/O was not asked for, or is on.
    NotAsked,
    Unsupported,
    Offset,
    Memory,
    LargeBlocks,
    Zoned,
    NoMemory,
    /// It was not possible when it was asked for, but would be now.
    Earlier,
}

impl NoDio {
    /// The text of `dio_reason`.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotAsked => "",
            Self::Unsupported => "the backing file does not support it",
            Self::Offset => {
                "the offset is not a multiple of the blocks that direct I/O on the backing file takes"
            }
            Self::Memory => "direct I/O on the backing file takes buffers of a larger alignment",
            Self::LargeBlocks => "the blocks that direct I/O on the backing file takes are too large",
            Self::Zoned => "the block size is smaller than that of the zoned device below",
            Self::NoMemory => "there was not enough memory",
            Self::Earlier => "it was not possible when it was asked for",
        }
    }
}

/// Limits of discard and write-zeroes: the largest request in sectors, and the granularity in
/// bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct DiscardLimits {
    sectors: u32,
    granularity: u32,
}

/// An open file that a device can be bound to.
pub(crate) struct BackingFile {
    file: ARef<File>,
    dio_align: DioAlign,
    nowait: bool,
    /// The block device that the file is, if it is one.
    block: Option<FileBlockDevice>,
    /// The file is a block device that is not stacked on another one.
    bottom: bool,
    /// Set while the file is bound.
    no_recursion: Option<NoFsRecursion>,
}

impl BackingFile {
    /// Checks a file, and queries its direct-I/O alignment. May sleep.
    ///
    /// Fails with `EINVAL` if the file has no `read_iter`, or is open for writing and has no
    /// `write_iter`.
    pub(crate) fn new(file: ARef<File>) -> Result<Self> {
        if !file.has_read_iter() || (file.is_writable() && !file.has_write_iter()) {
            return Err(EINVAL);
        }
        let block = FileBlockDevice::of(&file);
        Ok(Self {
            dio_align: dio_align(&file),
            nowait: file.can_nowait(),
            bottom: block.as_ref().is_some_and(|bdev| bdev.is_bottom()),
            block,
            no_recursion: None,
            file,
        })
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &ARef<File> {
        &self.file
    }

    /// Keeps memory reclaim from using the device while pages of the file are allocated.
    pub(crate) fn bind(&mut self) {
        self.no_recursion = Some(NoFsRecursion::new(&self.file));
    }

    /// Undoes [`bind`](Self::bind), so that another device, or this one, may bind the file next.
    pub(crate) fn unbind(&mut self) {
        self.no_recursion = None;
    }

    /// Writes dirty pages once, so that not each direct I/O has to. Correctness does not need this;
    /// the next flush reports errors. May sleep.
    pub(crate) fn write_dirty(&self) {
        let _ = self.file.mapping().write_dirty();
    }

    /// Whether the file can be written to.
    pub(crate) fn is_writable(&self) -> bool {
        self.file.is_writable() && self.file.has_write_iter()
    }

    /// Whether the file was opened for direct I/O.
    pub(crate) fn opened_direct(&self) -> bool {
        self.file.flags() & O_DIRECT != 0
    }

    /// Whether direct I/O of that many bytes can be tried without waiting. A request beyond the
    /// largest of the device below is refused only after it was accounted to its cgroup, and a
    /// second try would count it again.
    ///
    /// For a read, file systems pass `IOCB_NOWAIT` on (`iomap_dio_read_simple()` of Linux 7.3). If
    /// the device below does not know it, the try fails, and the file system reports an I/O error.
    pub(crate) fn can_try_direct(&self, op: Op, bytes: u32) -> bool {
        if !self.nowait {
            return false;
        }
        let is_read = op == Op::Read;
        // The largest request of a device is never smaller (`BLK_MIN_SEGMENT_SIZE`).
        let is_small = bytes <= 4096;
        if is_small && !is_read {
            return true;
        }
        self.with_device(|bdev| {
            (is_small || bytes <= bdev.max_bytes()) && (!is_read || bdev.has_nowait())
        })
        .unwrap_or(true)
    }

    /// Whether a buffered read can be tried without waiting. On a block device even that waits for
    /// the inode's lock (`blkdev_read_iter()`).
    pub(crate) fn can_try_buffered(&self) -> bool {
        self.nowait && !self.is_block()
    }

    /// Whether a read takes what is in the page cache as it is, without asking a server or a lower
    /// file. This holds for ext4, XFS, btrfs, f2fs and block devices, which are the ones that set
    /// `FOP_BUFFER_RASYNC`.
    pub(crate) fn reads_from_cache(&self) -> bool {
        self.file.has_buffer_rasync()
    }

    /// The file, if it is a block device.
    pub(crate) fn block_device(&self) -> Option<&BlockDevice> {
        self.block.as_deref()
    }

    /// Calls `f`, which must not sleep, with the block device that the file is, or that its file
    /// system is on; `None` if there is none.
    fn with_device<R>(&self, f: impl FnOnce(&DeviceLimits) -> R) -> Option<R> {
        match self.block_device() {
            Some(bdev) => Some(f(bdev)),
            None => self.file.mapping().with_sb_block_device(f),
        }
    }

    /// Whether the file is a block device.
    pub(crate) fn is_block(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the file is a block device that is not stacked on another one.
    pub(crate) fn is_on_bottom(&self) -> bool {
        self.bottom
    }

    /// The smallest direct I/O, in bytes.
    pub(crate) fn dio_block_size(&self) -> u32 {
        self.dio_align.offset
    }

    /// Whether direct I/O is possible at all.
    pub(crate) fn has_dio(&self) -> bool {
        self.file.can_odirect()
    }

    /// Checks whether direct I/O is possible for a device with that logical block size and DMA
    /// alignment (a mask) that begins `offset` bytes into the file, and returns what it takes.
    pub(crate) fn check_dio(
        &self,
        offset: i64,
        block_size: u32,
        dma_alignment: u32,
    ) -> Result<DioUnit, NoDio> {
        let DioAlign {
            offset: unit,
            memory,
        } = self.dio_align;
        if !self.has_dio() {
            return Err(NoDio::Unsupported);
        }
        if offset & (i64::from(unit) - 1) != 0 {
            return Err(NoDio::Offset);
        }
        if block_size >= unit {
            return match memory & !dma_alignment {
                0 => Ok(DioUnit::default()),
                _ => Err(NoDio::Memory),
            };
        }
        match unit <= MAX_TRANSFER {
            true => Ok(DioUnit {
                mask: unit - 1,
                memory: (unit - 1) | memory,
                rewritten: max(
                    max(unit, self.file.mapping().block_size()),
                    PAGE_SIZE as u32,
                ) - 1,
            }),
            false => Err(NoDio::LargeBlocks),
        }
    }

    /// The block size that suits I/O best, in bytes: larger than the device's if direct I/O takes
    /// larger blocks.
    pub(crate) fn preferred_block_size(&self, offset: i64, block_size: u32, direct: bool) -> u32 {
        match self.check_dio(offset, block_size, self.dma_alignment(block_size)) {
            Ok(unit) if direct => max(unit.mask.saturating_add(1), block_size),
            _ => block_size,
        }
    }

    /// Sets the I/O sizes that suit a device of that block size best.
    pub(crate) fn set_io_hints(
        &self,
        limits: &mut QueueLimits,
        offset: i64,
        block_size: u32,
        direct: bool,
    ) {
        limits.set_preferred_block_size(self.preferred_block_size(offset, block_size, direct));
    }

    /// Capacity in sectors of a device that begins `offset` bytes into the file, and has at most
    /// `limit` bytes unless that is 0. May sleep.
    pub(crate) fn sectors(&self, offset: i64, limit: i64) -> u64 {
        let size = match self.block_device() {
            Some(_) => self.file.mapping().size(),
            // The file system may know a newer size than the inode has.
            None => match self.file.stat(StatMask::Size) {
                Ok(stat) => stat.size(),
                Err(_) => return 0,
            },
        };
        let size = size.saturating_sub(offset);
        let size = if limit > 0 { min(size, limit) } else { size };
        u64::try_from(size).unwrap_or(0) / u64::from(SECTOR_SIZE)
    }

    /// The limits of discard and write-zeroes. May sleep.
    pub(crate) fn discard_limits(&self) -> DiscardLimits {
        match self.block_device() {
            // A discard punches a hole, for which `blkdev_fallocate()` issues write-zeroes.
            Some(bdev) => DiscardLimits {
                sectors: bdev.write_zeroes_sectors(),
                granularity: bdev.discard_granularity(),
            },
            _ if self.file.has_deallocate() => match self.file.fs_block_size() {
                Ok(granularity) => DiscardLimits {
                    sectors: MAX_DISCARD,
                    granularity,
                },
                Err(_) => DiscardLimits::default(),
            },
            _ => DiscardLimits::default(),
        }
    }

    /// Whether a device has a volatile write cache: what was written to it is in the page cache, or
    /// in that of the disk below, until a flush syncs the file.
    pub(crate) fn has_write_cache(&self, read_only: bool) -> bool {
        self.file.has_fsync() && !read_only
    }

    /// Sets all limits that depend on the file, for a device whose limits no stacked device has
    /// copied.
    pub(crate) fn set_limits(
        &self,
        limits: &mut QueueLimits,
        block_size: u32,
        discard: DiscardLimits,
        read_only: bool,
    ) {
        let rotational = self.with_device(|bdev| bdev.is_rotational());
        limits
            .set_block_size(block_size)
            .set_dma_alignment(self.dma_alignment(block_size))
            .set_write_cache(self.has_write_cache(read_only))
            .set_rotational(rotational == Some(true));
        self.set_mode_limits(limits, discard);
    }

    /// Sets the limits that pinned mode replaces by its own.
    pub(crate) fn set_mode_limits(&self, limits: &mut QueueLimits, discard: DiscardLimits) {
        let granularity = if discard.sectors > 0 {
            discard.granularity
        } else {
            0
        };
        limits
            .set_fua(false)
            .set_discard(discard.sectors, discard.sectors, granularity);
    }

    /// Sets `BLK_FEAT_STABLE_WRITES` if the file, or the device below, needs it and direct I/O is
    /// possible, which passes the submitter's pages on, and may be switched on at any time. Returns
    /// `None` if it is not needed, else whether it is new.
    pub(crate) fn require_stable_writes(
        &self,
        limits: &mut QueueLimits,
        read_only: bool,
    ) -> Option<bool> {
        let is_needed = || {
            let data = self.file.data_mapping();
            let of_device = |bdev: &DeviceLimits| bdev.needs_stable_writes();
            data.needs_stable_writes()
                || match self.block_device() {
                    Some(bdev) => of_device(bdev),
                    None => data.with_sb_block_device(of_device) == Some(true),
                }
        };
        (!read_only && self.has_dio() && is_needed()).then(|| limits.require_stable_writes())
    }

    /// The mask of the bits that must be clear in a buffer's address. Direct I/O passes buffers on
    /// as they are, and may be switched on at any time if the block size suits it.
    fn dma_alignment(&self, block_size: u32) -> u32 {
        let sector_mask = SECTOR_SIZE - 1;
        if self.has_dio() && block_size >= self.dio_align.offset {
            max(self.dio_align.memory, sector_mask)
        } else {
            sector_mask
        }
    }
}

fn dio_align(file: &File) -> DioAlign {
    if let Some((memory, offset)) = file
        .stat(StatMask::DioAlign)
        .ok()
        .and_then(|stat| stat.dio_align())
        .filter(|&(_, offset)| offset.is_power_of_two())
    {
        return DioAlign {
            offset,
            memory: min(memory.saturating_sub(1), PAGE_SIZE as u32 - 1),
        };
    }
    // Not all file systems report `STATX_DIOALIGN`; the limits of the device below are a good
    // guess.
    let align = file.mapping().with_sb_block_device(|bdev| DioAlign {
        offset: bdev.logical_block_size(),
        memory: bdev.dma_alignment(),
    });
    align.unwrap_or(DioAlign {
        offset: SECTOR_SIZE,
        memory: SECTOR_SIZE - 1,
    })
}
