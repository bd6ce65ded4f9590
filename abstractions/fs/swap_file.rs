// SPDX-License-Identifier: GPL-2.0

//! Files whose blocks stay where they are.
//!
//! A swap file has fixed blocks of its own: its file system was asked for them (`swap_activate()`), refused
//! holes, shared, inline and uncommitted extents, and moves none of them. While `S_SWAPFILE` is set, the VFS
//! and the file system refuse to write to the file, to shrink it or change its blocks, to share it, to unlink
//! it, and to map it for writing. Whoever has this contract may read and write the blocks by himself.
//!
//! C header: [`include/linux/swap.h`](srctree/include/linux/swap.h)

use super::{probe_write, FileExt, FileKind, Holes, StatMask};
use crate::abstractions::{
    block::{BlockDevice, Extent},
    error::{enodata, eopnotsupp},
    task::{cond_resched, fatal_signal_pending},
};
use core::{
    cmp::{max, min},
    ptr::NonNull,
};
use kernel::{
    alloc::flags::__GFP_ZERO,
    bindings, container_of,
    error::to_result,
    fs::File,
    page::{PAGE_SHIFT, PAGE_SIZE},
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_inode_lock(inode: *mut bindings::inode);
    fn rust_helper_inode_unlock(inode: *mut bindings::inode);
    fn rust_helper_inode_writers(inode: *const bindings::inode) -> c_int;
    fn rust_helper_swap_has_own_io(info: *const bindings::swap_info_struct) -> bool;
    fn rust_helper_file_lacks_nocow(file: *mut bindings::file) -> bool;
    fn rust_helper_inode_count_extents(
        inode: *mut bindings::inode,
        pos: u64,
        len: u64,
        count: *mut c_uint,
    ) -> c_int;
}

/// Sectors of a page, as a power of two.
const PAGE_SECTORS_SHIFT: usize = PAGE_SHIFT - bindings::SECTOR_SHIFT as usize;

/// Calls between which others may run, and a signal may end a long loop.
const BATCH: u64 = 1024;

/// How often to look at a block that somebody reads at the same time.
const TRIES: u32 = 100;

/// Sectors of a file that lie next to each other on the device. They begin where the extent before ends.
#[derive(Clone, Copy)]
struct SwapExtent {
    /// The sector of the file behind the last one.
    end: u64,
    /// What the number of a sector in the file differs by from that on the device; it wraps.
    shift: u64,
}

/// The lock of a file's inode (`inode_lock()`), held.
///
/// # Invariants
///
/// It was taken by this task, and is held as long as this exists.
struct InodeLock<'a> {
    file: &'a File,
    _not_send: NotThreadSafe,
}

impl<'a> InodeLock<'a> {
    /// Takes the lock. May sleep.
    fn new(file: &'a File) -> Self {
        // SAFETY: The file is valid, and so is its inode.
        unsafe { rust_helper_inode_lock(inode(file)) };
        // INVARIANT: Taken above.
        Self {
            file,
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for InodeLock<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { rust_helper_inode_unlock(inode(self.file)) };
    }
}

/// A file that is kept as a swap file is, without being swapped to. It is an ordinary file again when this is
/// dropped, which may sleep and takes the lock of the inode.
///
/// # Invariants
///
/// - `S_SWAPFILE` is set for this, and the file system keeps the blocks of `extents`, all of which lie on
///   `bdev`, for this file and where they are.
/// - `extents` is sorted, and the last one ends with page `pages`.
pub struct SwapFile {
    file: ARef<File>,
    bdev: NonNull<bindings::block_device>,
    bottom: bool,
    extents: KVVec<SwapExtent>,
    pages: u64,
}

// SAFETY: The device is kept by the file system, and that by the file; neither has ties to a task.
unsafe impl Send for SwapFile {}
// SAFETY: What is shared is only read.
unsafe impl Sync for SwapFile {}

fn inode(file: &File) -> *mut bindings::inode {
    file.mapping().host()
}

fn a_ops(file: &File) -> &bindings::address_space_operations {
    // SAFETY: The operations of a regular file's mapping are static, and stay the same while the file is
    // open, but for those of ext4, which depend on how data is journalled and are static as well.
    unsafe { &*(*file.mapping().as_ptr()).a_ops }
}

impl SwapFile {
    /// Makes a swap file of a regular file. May sleep, for as long as the file system takes. Writes of
    /// others fail from some point in this call on, also where it fails in the end.
    ///
    /// What the file consists of has to be written: blocks that are allocated only would show what the
    /// device had there before. The dirty pages of the file are written; its page cache is dropped.
    ///
    /// `holes` is of the same file. Nothing is opened here: that may ask userspace (fanotify), for which a caller who
    /// holds off writes or a freeze must not wait.
    ///
    /// Fails with
    /// - `EINVAL` if the file is not regular, was not opened for writing, does not consist of whole pages and
    ///   blocks, or is encrypted, verified, journalled, or read past the page cache (DAX); or if the file system
    ///   refuses it, as most do with a line in the log;
    /// - `EOPNOTSUPP` if the file system has no swap files, does not say on which device, does not keep
    ///   its promise, or makes swap files in a way that is not known here;
    /// - `EFBIG` if there are too many pages;
    /// - `ERANGE` if blocks that are smaller than a page do not lie in whole pages on the device;
    /// - `EBUSY` if it is a swap file already, or somebody else may write to it;
    /// - `EAGAIN` if the file system is doing something that excludes this (btrfs: balance, or a change of devices);
    /// - `ENODATA` if not all of it was written;
    /// - `EINTR` if the task is killed, `ENOMEM`, or what writing dirty pages fails with, or has failed with if nobody
    ///   was told.
    pub fn new(file: &File, holes: &Holes) -> Result<Self> {
        let FileKind::Regular = file.mapping().kind() else {
            return Err(EINVAL);
        };
        // SAFETY: The inode is valid.
        let flags = unsafe { (*inode(file)).i_flags };
        if file.mapping().is_encrypted() || flags & (bindings::S_VERITY | bindings::S_DAX) != 0 {
            return Err(EINVAL);
        }
        if !file.is_writable() || !core::ptr::eq(inode(file), inode(holes.file())) {
            return Err(EINVAL);
        }
        Self::check_supported(file)?;
        let activate = a_ops(file).swap_activate.ok_or_else(eopnotsupp)?;
        let size = u64::try_from(file.mapping().size())?;
        // A part of a block would be written as a whole where the file grows, which is not forbidden.
        let unit = max(PAGE_SIZE as u64, 1 << block_bits(file));
        if size == 0 || size % unit != 0 {
            return Err(EINVAL);
        }
        let pages = u32::try_from(size >> PAGE_SHIFT).map_err(|_| EFBIG)?;

        // Errors of writeback that are found here are not taken from the next sync of `file`.
        let other = holes.file();
        claim(&InodeLock::new(file))?;
        // Of all the inode's metadata, not only of what leads to its data, as the file system does by itself: XFS
        // takes extents for uncommitted as long as the inode is in any transaction that is.
        let committed = other.fsync();
        let lock = InodeLock::new(file);
        let this = match committed.and_then(|()| Self::activate(&lock, other, activate, pages)) {
            Ok(this) => this,
            Err(e) => {
                unclaim(&lock);
                return Err(e);
            }
        };
        drop(lock);
        // Only now: some file systems take the lock for this. Where it fails the drop undoes all.
        check_claimed(file)?;
        this.check_written(holes)?;
        // Some file systems (btrfs) have written the data by now, but not yet where it lies. Without that
        // a crash would take away what is written to the blocks from now on.
        other.fsync()?;
        Ok(this)
    }

    /// `EOPNOTSUPP` if the file system of a regular file has no swap files, or is not known to keep its promise.
    pub fn check_supported(file: &File) -> Result {
        // f2fs takes it back: for anybody who may read the file (`F2FS_IOC_SET_PIN_FILE`), and by itself
        // when garbage collection has met the file often enough. And with several devices it counts blocks on
        // from one to the next.
        const KNOWN: [c_ulong; 3] = [
            bindings::EXT4_SUPER_MAGIC as c_ulong,
            bindings::XFS_SUPER_MAGIC as c_ulong,
            bindings::BTRFS_SUPER_MAGIC as c_ulong,
        ];
        match a_ops(file).swap_activate {
            Some(_) if KNOWN.contains(&file.mapping().fs_magic()) => Ok(()),
            _ => Err(eopnotsupp()),
        }
    }

    /// Whether a file of a file system that copies on write lacks the attribute that forbids it (`FS_NOCOW_FL`), as a
    /// compressed file does. False where that is not known. May sleep.
    pub fn is_copied_on_write(file: &File) -> bool {
        if file.mapping().fs_magic() != bindings::BTRFS_SUPER_MAGIC as c_ulong {
            return false;
        }
        // SAFETY: The file is valid, and keeps its path.
        unsafe { rust_helper_file_lacks_nocow(file.as_ptr()) }
    }

    /// Asks the file system for the blocks of a file that is claimed. Where this fails the file is not
    /// activated. Most file systems sync what they get, `other`, which is the same file, opened once more.
    fn activate(
        lock: &InodeLock<'_>,
        other: &File,
        activate: unsafe extern "C" fn(
            *mut bindings::swap_info_struct,
            *mut bindings::file,
            *mut bindings::sector_t,
        ) -> c_int,
        pages: u32,
    ) -> Result<Self> {
        let file = lock.file;
        check_not_journalled(file)?;
        file.mapping().write_dirty()?;
        // What is still there is dropped at the end; it is not served to whoever has this.
        //
        // SAFETY: The mapping is valid.
        unsafe { bindings::invalidate_inode_pages2(file.mapping().as_ptr()) };

        // The file system looks at these fields, and adds extents. All zeroes are valid for the rest, which
        // is of concern only to those who swap.
        let info = KBox::<bindings::swap_info_struct>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: Pointers, numbers, and locks that nobody takes, in memory that is zeroed.
        let mut info = unsafe { info.assume_init() };
        info.max = pages;
        info.pages = pages - 1;
        // SAFETY: The file keeps its file system mounted.
        info.bdev = unsafe { (*(*inode(file)).i_sb).s_bdev };
        let mut span = 0;
        // SAFETY: The operation belongs to the file, whose inode is locked, as `swapon()` has it.
        let ret = unsafe { activate(&raw mut *info, other.as_ptr(), &raw mut span) };
        // In any case, since those are to be released.
        let extents = take_extents(&mut info);
        if ret < 0 {
            return Err(match to_result(ret) {
                // Not to be taken for a file that is in use.
                Err(EBUSY) => EAGAIN,
                Err(e) => e,
                Ok(()) => EIO,
            });
        }
        let result = extents.and_then(|(extents, found)| {
            let Some(bdev) = NonNull::new(info.bdev) else {
                return Err(eopnotsupp());
            };
            // Such I/O goes by way of the file system (as that of NFS).
            //
            // SAFETY: It was filled in by the file system.
            if unsafe { rust_helper_swap_has_own_io(&raw const *info) } || has_unknown(&mut info) {
                return Err(eopnotsupp());
            }
            // Parts of pages are left out, and those behind them come forward.
            if found != u64::from(pages) {
                return Err(ERANGE);
            }
            Ok((bdev, extents))
        });
        match result {
            // INVARIANT: The file was claimed, and these are the extents that the file system has just
            // promised to keep.
            Ok((bdev, extents)) => Ok(Self {
                file: file.into(),
                bdev,
                // SAFETY: The file keeps the file system, and that the device.
                bottom: unsafe { BlockDevice::from_raw(bdev.as_ptr()) }.is_bottom(),
                extents,
                pages: u64::from(pages),
            }),
            Err(e) => {
                deactivate(lock);
                Err(e)
            }
        }
    }

    /// `ENODATA` unless all of the file was written; `EINVAL` if that cannot be told. The inode's lock must
    /// not be held.
    fn check_written(&self, holes: &Holes) -> Result {
        if a_ops(&self.file).bmap.is_none() {
            // Such a file system (btrfs) looks at extents for this; others at the page cache as well, in
            // which blocks that were not written may lie.
            return match holes.next(0)? {
                Some(_) => Err(enodata()),
                None => Ok(()),
            };
        }
        // An extent was written as a whole or not at all, and there are no holes between them. So it is enough to
        // ask for one block of each: for both ends of ranges that touch two extents at most.
        let blocks = (self.pages << PAGE_SHIFT) >> block_bits(&self.file);
        let (mut block, mut len, mut calls) = (0, blocks, 0);
        while block < blocks {
            len = min(len, blocks - block);
            let mut was_shorter = false;
            while len > 2 && self.count_extents(block, len)? > 2 {
                len /= 2;
                was_shorter = true;
            }
            self.check_mapped(block, holes)?;
            self.check_mapped(block + (len - 1), holes)?;
            block += len;
            // Where extents are short not each range is to begin with one that is too long.
            if !was_shorter {
                len = len.saturating_mul(2);
            }
            calls += 1;
            if calls % BATCH == 0 {
                cond_resched();
                if fatal_signal_pending() {
                    return Err(EINTR);
                }
            }
        }
        Ok(())
    }

    /// How many extents a range of blocks touches. Where the file system does not tell, as many as there are blocks.
    fn count_extents(&self, block: u64, len: u64) -> Result<u64> {
        let bits = block_bits(&self.file);
        let mut count = 0;
        // SAFETY: The inode is valid, and `count` is a number to be written to.
        let ret = unsafe {
            rust_helper_inode_count_extents(
                inode(&self.file),
                block << bits,
                len << bits,
                &raw mut count,
            )
        };
        match to_result(ret) {
            Ok(()) => Ok(count.into()),
            Err(e) if e == eopnotsupp() => Ok(len),
            Err(e) => Err(e),
        }
    }

    /// Fails unless a block was written: only then it is mapped.
    fn check_mapped(&self, block: u64, holes: &Holes) -> Result {
        let mut place = block;
        // SAFETY: The inode is valid.
        to_result(unsafe { bindings::bmap(inode(&self.file), &raw mut place) })?;
        match place {
            0 => Err(self.why_not_mapped(block, holes)?),
            _ => Ok(()),
        }
    }

    /// What to say where a block is not mapped. XFS maps none of a file that shares blocks, or did once.
    fn why_not_mapped(&self, block: u64, holes: &Holes) -> Result<Error> {
        let pos = i64::try_from(block << block_bits(&self.file))?;
        for _ in 0..TRIES {
            // A page that somebody has read would pass for data.
            self.file.mapping().invalidate(pos, 1);
            if holes.next(pos)?.is_some_and(|hole| hole.start <= pos) {
                return Ok(enodata());
            }
            // Or has read once more.
            if !self.file.mapping().is_cached(pos, 1) {
                break;
            }
        }
        Ok(EINVAL)
    }

    /// How many bytes the file has, as long as it is one of these.
    pub fn size(&self) -> i64 {
        // At most 2^32 pages.
        (self.pages << PAGE_SHIFT) as i64
    }

    /// The device that the blocks lie on.
    pub fn bdev(&self) -> &BlockDevice {
        // SAFETY: By the type invariants the file system keeps the device, and the file keeps that.
        unsafe { BlockDevice::from_raw(self.bdev.as_ptr()) }
    }

    /// Whether that is the lowest one ([`BlockDevice::is_bottom`]).
    pub fn is_on_bottom(&self) -> bool {
        self.bottom
    }

    /// Where `bytes` bytes of the file lie that begin at byte `pos`, both multiples of 512: as many of them
    /// as lie next to each other. `None` beyond the end of the file.
    #[inline]
    pub fn map(&self, pos: i64, bytes: u32) -> Option<Extent<'_>> {
        // Negative ones are beyond any end.
        let sector = pos as u64 >> bindings::SECTOR_SHIFT;
        let extent = self.extent_of(sector)?;
        let sectors = extent.end.checked_sub(sector)?;
        let left = sectors.saturating_mul(u64::from(bindings::SECTOR_SIZE));
        Some(Extent {
            bdev: self.bdev(),
            sector: sector.wrapping_add(extent.shift),
            bytes: u32::try_from(left).map_or(bytes, |left| min(bytes, left)),
            bottom: self.bottom,
        })
    }

    /// The extent that a sector of the file is in.
    fn extent_of(&self, sector: u64) -> Option<&SwapExtent> {
        match self.extents.first()? {
            first if sector < first.end => Some(first),
            _ => {
                let index = self.extents.partition_point(|extent| extent.end <= sector);
                self.extents.get(index)
            }
        }
    }

    /// Flushes the device for those who sync the file by way of its file system from now on, which knows of
    /// nothing that was written. They are told if it fails. May sleep.
    pub fn flush_for_file_system(&self) {
        if let Err(e) = self.bdev().flush() {
            self.file.mapping().set_error(e);
        }
    }

    /// How many extents the file has.
    pub fn extents(&self) -> usize {
        self.extents.len()
    }
}

impl Drop for SwapFile {
    fn drop(&mut self) {
        self.flush_for_file_system();
        let lock = InodeLock::new(&self.file);
        // Before anybody can write to it: a page with old data would be written as a whole.
        //
        // SAFETY: The mapping is valid.
        if unsafe { bindings::invalidate_inode_pages2(self.file.mapping().as_ptr()) } != 0 {
            pr_warn!("old data of a swap file is still in the page cache\n");
        }
        deactivate(&lock);
        unclaim(&lock);
    }
}

/// Sets `S_SWAPFILE`, if nobody but the owner of the file can write to it.
fn claim(lock: &InodeLock<'_>) -> Result {
    let inode = inode(lock.file);
    // SAFETY: The inode is valid. Its flags are changed only with its lock held, as it is.
    unsafe {
        if (*inode).i_flags & bindings::S_SWAPFILE != 0 {
            return Err(EBUSY);
        }
        (*inode).i_flags |= bindings::S_SWAPFILE;
    }
    // In this order: who opens the file from now on cannot write. (Nor can who has it mapped: pages
    // cannot be made writable any more, and those which are belong to an open file, too.)
    if has_other_writers(lock.file) {
        unclaim(lock);
        return Err(EBUSY);
    }
    // What writes began before.
    //
    // SAFETY: The inode is valid, and its lock is held.
    unsafe { bindings::inode_dio_wait(inode) };
    Ok(())
}

/// Whether somebody else has a file open for writing, which is open for that itself.
pub(super) fn has_other_writers(file: &File) -> bool {
    // SAFETY: The inode is valid.
    unsafe { rust_helper_inode_writers(inode(file)) != 1 }
}

/// Makes a claimed file an ordinary one again, which was not activated, or was deactivated.
fn unclaim(lock: &InodeLock<'_>) {
    // SAFETY: The inode is valid, and its lock is held.
    unsafe { (*inode(lock.file)).i_flags &= !bindings::S_SWAPFILE };
}

/// Undoes the activation of a file.
fn deactivate(lock: &InodeLock<'_>) {
    if let Some(deactivate) = a_ops(lock.file).swap_deactivate {
        // SAFETY: The operation belongs to the file, which was activated once for each call of this.
        unsafe { deactivate(lock.file.as_ptr()) };
    }
}

/// `EOPNOTSUPP` unless the file system refuses to write to a file because it is claimed. The lock of the inode must not be
/// held. May sleep.
fn check_claimed(file: &File) -> Result {
    match probe_write(file, false) {
        Err(ETXTBSY) => Ok(()),
        // It lets nothing be written.
        Err(e) if e == EIO || e == EROFS => Err(e),
        _ => Err(eopnotsupp()),
    }
}

/// `EINVAL` if the data goes through a journal (ext4 with `data=journal`, or such a file), which would write
/// what it has over what was written to the blocks since. Such a file has no direct I/O.
fn check_not_journalled(file: &File) -> Result {
    match file.stat(StatMask::DioAlign)?.refuses_dio() {
        true => Err(EINVAL),
        false => Ok(()),
    }
}

/// The size of a block of the file system, as a power of two.
fn block_bits(file: &File) -> u32 {
    file.mapping().block_size().trailing_zeros()
}

/// Whether a file system has set anything in `info`, whose extents were taken out, that is not known here: it expects
/// more of who swaps than there is. What is known is cleared.
fn has_unknown(info: &mut bindings::swap_info_struct) -> bool {
    info.max = 0;
    info.pages = 0;
    info.bdev = core::ptr::null_mut();
    let len = size_of::<bindings::swap_info_struct>();
    // SAFETY: All bytes of the structure, also those between its fields, were zeroed where they are. Nobody else
    // knows it.
    let bytes = unsafe { core::slice::from_raw_parts(core::ptr::from_mut(info).cast::<u8>(), len) };
    bytes.iter().any(|&byte| byte != 0)
}

/// Takes the extents that a file system added out, in their order, with the number of their pages.
fn take_extents(info: &mut bindings::swap_info_struct) -> Result<(KVVec<SwapExtent>, u64)> {
    let root = &raw mut info.swap_extent_root;
    let mut taken = Ok((KVVec::new(), 0));
    // SAFETY: The tree is valid, and nobody else knows it.
    while let Some(node) = NonNull::new(unsafe { bindings::rb_first(root) }) {
        // SAFETY: Each node of the tree is a part of an extent, which `add_swap_extent()` allocated with `kmalloc()`.
        // After `rb_erase()` nobody knows it any more.
        let extent = unsafe {
            let place = container_of!(node.as_ptr(), bindings::swap_extent, rb_node);
            let extent = place.read();
            bindings::rb_erase(node.as_ptr(), root);
            bindings::kfree(place.cast_const().cast());
            extent
        };
        // Where one fails the others are released all the same.
        taken = taken.and_then(|(extents, pages)| push_extent(extents, pages, extent));
    }
    taken
}

/// Adds an extent behind those that have so many pages together.
fn push_extent(
    mut extents: KVVec<SwapExtent>,
    pages: u64,
    extent: bindings::swap_extent,
) -> Result<(KVVec<SwapExtent>, u64)> {
    // All fields, so that this is looked at again where there are others.
    let bindings::swap_extent {
        rb_node: _,
        start_page,
        nr_pages,
        start_block,
    } = extent;
    // They were added one behind the other, without gaps.
    if start_page as u64 != pages {
        return Err(eopnotsupp());
    }
    let end = pages + nr_pages as u64;
    let extent = SwapExtent {
        end: end << PAGE_SECTORS_SHIFT,
        shift: (start_block << PAGE_SECTORS_SHIFT).wrapping_sub(pages << PAGE_SECTORS_SHIFT),
    };
    extents.push(extent, GFP_KERNEL)?;
    Ok((extents, end))
}
